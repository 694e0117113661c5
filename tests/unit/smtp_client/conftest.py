"""Assertions of the transcript player are shown in full."""

import pytest

pytest.register_assert_rewrite("smtp_client_script")
