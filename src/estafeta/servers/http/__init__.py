"""HTTP: the pages of this server, on Starlette; connections by uvicorn's h11 protocol under our own limits.

Only a worker with an http or https listener imports `service`, and with it Starlette and uvicorn.
"""
