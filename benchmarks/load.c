/*
 * load: a closed-loop SMTP load generator (RFC 5321), one thread, epoll.
 *
 *   load -p PORT [-s SESSIONS] [-m MESSAGES] [-l OCTETS] [-d] [-u USERS] [-f FIRST] [-D DOMAIN] [-c FILE] [-S SENDER]
 *
 * Each of SESSIONS connections to 127.0.0.1 sends a command, waits for its reply, and only then sends the
 * next one, as a real client without PIPELINING does. Message i goes to user FIRST + i mod USERS, named u00,
 * u01 and so on, at DOMAIN. A message is exactly OCTETS long: header fields with a date and identifier of its
 * own, and text of which no two messages carry the same stretch.
 *
 *   -d  many messages per connection (default: one message per connection, then QUIT and connect again)
 *   -c  messages from a file, OCTETS each, one after the other and from the first again
 *   -S  the domain of sender@ in MAIL FROM and of out. in EHLO (default: DOMAIN, and load. of it)
 *
 * Prints one line of JSON: begun (of the first connection, CLOCK_MONOTONIC), accepted, failed, secs (first
 * connection to last 250), rate, p50ms p95ms p99ms (from connect to the final 250; with -d from MAIL), cpu
 * (seconds of this process). Status 1 if anything failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 74, POOL_LINES = 1 << 15, STALL_SECONDS = 60, MAX_FAILURES = 1000 };

/* What a session waits for: the reply to ... */
enum state { GREETING, EHLO, MAIL, RCPT, DATA, CONTENT, QUIT, CLOSED };

struct session {
    int fd;
    enum state state;
    size_t in_len;
    long message;
    bool flying; /* a message of this session has begun and has not ended */
    bool again;  /* ... and the server asked to come again with it (421) */
    double began;
    struct iovec out[3];
    char in[4096], head[1024];
};

static struct {
    int port, sessions, users, first;
    long messages, octets;
    bool many;
    const char *domain, *sender, *contents;
} opt = {.sessions = 1, .users = 100, .messages = 1000, .octets = 4096, .domain = "bench.test"};

static char *pool, *ready; /* ready: the messages of -c */
static long ready_messages;
static double *latency;
static double last_accepted;
static long started, accepted, failed, returned;
static int poller, open_sessions;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static unsigned next_random(void) {
    static unsigned long long seed = 20261122;
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return seed >> 33;
}

/* Lines of invented words, each LINE octets with its CRLF, none beginning with a dot. */
static void make_pool(void) {
    static const char *syllables[] = {"ka", "lo", "mi", "ter", "sa", "ren", "vo", "du", "pel", "ni", "ast",
                                      "or", "ge", "bru", "fi", "ham", "jo", "qui", "wex", "yl", "zar", "che"};
    pool = malloc((size_t)POOL_LINES * LINE);
    for (long i = 0; i < POOL_LINES; i++) {
        char *line = pool + i * LINE;
        int used = 0;
        while (used < LINE - 2) {
            for (int n = 1 + next_random() % 4; n && used < LINE - 2; n--)
                for (const char *s = syllables[next_random() % 22]; *s && used < LINE - 2; s++) line[used++] = *s;
            if (used < LINE - 2) line[used++] = ' ';
        }
        memcpy(line + LINE - 2, "\r\n", 2);
    }
}

static bool read_contents(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) return false;
    long size = ftell(file);
    ready_messages = size / opt.octets;
    ready = malloc(size > 0 ? size : 1);
    rewind(file);
    bool whole = ready && fread(ready, 1, size, file) == (size_t)size;
    fclose(file);
    return whole && ready_messages > 0;
}

static void watch(struct session *s, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = s};
    epoll_ctl(poller, operation, s->fd, &event);
}

static void finish(struct session *s, bool ok) {
    if (!s->flying) return;
    s->flying = false;
    if (!ok) {
        failed++;
        return;
    }
    last_accepted = now();
    latency[accepted++] = last_accepted - s->began;
}

static void drop(struct session *s) {
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    if (!s->again) finish(s, false);
    if (s->state != CLOSED) open_sessions--;
    s->state = CLOSED;
}

static bool more(void) { return started < opt.messages && failed <= MAX_FAILURES; }

/* A message is counted as started when its connection is opened, or with -d at its MAIL. */
static bool begin(struct session *s) {
    if (!more()) return false;
    s->message = started++;
    s->flying = true;
    s->began = now();
    return true;
}

static void start_session(struct session *s) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(opt.port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!s->again && (opt.many ? !more() : !begin(s))) return;
    for (int attempt = 0; attempt < 5000; attempt++) {
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!connect(s->fd, (void *)&to, sizeof to) || errno == EINPROGRESS) break;
        close(s->fd); /* ports of finished connections are not free again yet */
        s->fd = -1;
        usleep(1000);
    }
    if (s->fd < 0) {
        finish(s, false);
        return;
    }
    s->state = GREETING;
    s->in_len = 0;
    open_sessions++;
    watch(s, EPOLL_CTL_ADD, EPOLLIN);
}

static bool unsent(struct session *s) { return s->out[0].iov_len + s->out[1].iov_len + s->out[2].iov_len > 0; }

static void flush(struct session *s) {
    while (unsent(s)) {
        ssize_t n = writev(s->fd, s->out, 3);
        if (n < 0 && errno == EAGAIN) { watch(s, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT); return; }
        if (n < 0) memset(s->out, 0, sizeof s->out); /* reset by the server: the next read says so */
        if (n < 0) return;
        for (int i = 0; i < 3; i++) {
            size_t part = (size_t)n < s->out[i].iov_len ? (size_t)n : s->out[i].iov_len;
            s->out[i].iov_base = (char *)s->out[i].iov_base + part;
            s->out[i].iov_len -= part;
            n -= part;
        }
    }
}

static void command(struct session *s, enum state state, int length) {
    s->state = state;
    s->out[0] = (struct iovec){s->head, length};
    s->out[1].iov_len = s->out[2].iov_len = 0;
    flush(s);
}

#define COMMAND(s, state, ...) command(s, state, snprintf((s)->head, sizeof (s)->head, __VA_ARGS__))

static int user(struct session *s) { return opt.first + s->message % opt.users; }

static void send_content(struct session *s) {
    if (ready) {
        s->state = CONTENT;
        s->out[0] = (struct iovec){ready + s->message % ready_messages * opt.octets, opt.octets};
        s->out[1] = (struct iovec){".\r\n", 3};
        s->out[2].iov_len = 0;
        flush(s);
        return;
    }
    char date[64];
    time_t seconds = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime(&seconds));
    long head = snprintf(s->head, sizeof s->head,
                         "From: Sender <sender@%s>\r\nTo: <u%02d@%s>\r\nSubject: message %ld\r\nDate: %s\r\n"
                         "Message-ID: <%ld.%d.%ld@load.%s>\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
                         opt.domain, user(s), opt.domain, s->message, date, s->message, (int)getpid(),
                         (long)seconds, opt.domain);
    long text = opt.octets - head - 2; /* the CRLF before the final dot belongs to the message */
    if (text < 0) text = 0;
    long span = POOL_LINES - text / LINE - 1;
    s->state = CONTENT;
    s->out[0] = (struct iovec){s->head, head};
    /* Where the text would end between CR and LF it begins an octet later: a CR must not stand alone. */
    long shift = text % LINE == LINE - 1;
    s->out[1] = (struct iovec){pool + (s->message * 7919 % span) * LINE + shift, text};
    s->out[2] = (struct iovec){"\r\n.\r\n", 5};
    flush(s);
}

static void next_message(struct session *s) {
    if (opt.many && !s->again && !begin(s)) COMMAND(s, QUIT, "QUIT\r\n");
    else COMMAND(s, MAIL, "MAIL FROM:<sender@%s>\r\n", opt.sender ? opt.sender : opt.domain);
}

static void replied(struct session *s, int code) {
    if (code == 421 && s->state == MAIL && returned++ < MAX_FAILURES) { /* e.g. enough messages in one session */
        s->again = true;
        drop(s);
        start_session(s);
        return;
    }
    if (s->state == MAIL || code >= 400) s->again = false;
    if (code >= 400) {
        if (failed < 5) fprintf(stderr, "load: state %d: %s\n", s->state, s->in);
        drop(s);
        start_session(s);
        return;
    }
    switch (s->state) {
    case GREETING: 
        COMMAND(s, EHLO, "EHLO %s.%s\r\n", opt.sender ? "out" : "load", opt.sender ? opt.sender : opt.domain);
        break;
    case EHLO: next_message(s); break;
    case MAIL: COMMAND(s, RCPT, "RCPT TO:<u%02d@%s>\r\n", user(s), opt.domain); break;
    case RCPT: COMMAND(s, DATA, "DATA\r\n"); break;
    case DATA: send_content(s); break;
    case CONTENT:
        finish(s, true);
        if (opt.many) next_message(s);
        else COMMAND(s, QUIT, "QUIT\r\n");
        break;
    case QUIT: drop(s); start_session(s); break;
    case CLOSED: break;
    }
}

/* Takes the reply that has arrived: the client has one command under way, so there is at most one. */
static void readable(struct session *s) {
    ssize_t n = read(s->fd, s->in + s->in_len, sizeof s->in - 1 - s->in_len);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        if (s->state != QUIT && failed < 5) fprintf(stderr, "load: closed in state %d\n", s->state);
        s->again = false;
        drop(s);
        start_session(s);
        return;
    }
    s->in_len += n;
    s->in[s->in_len] = 0;
    char *line = s->in, *end;
    while ((end = strstr(line, "\r\n"))) {
        if (end - line < 4 || line[3] != '-') {
            *end = 0;
            s->in_len = 0;
            int code = atoi(line);
            memmove(s->in, line, end - line + 1);
            replied(s, code);
            return;
        }
        line = end + 2;
    }
    s->in_len -= line - s->in;
    memmove(s->in, line, s->in_len);
}

static void run(struct session *sessions) {
    struct epoll_event events[256];
    double last = now(), ended = 0;
    while (open_sessions && (!ended || now() - ended < 2)) {
        int n = epoll_wait(poller, events, 256, 200);
        if (n > 0) last = now();
        if (now() - last > STALL_SECONDS) {
            fprintf(stderr, "load: no reply for %d seconds\n", STALL_SECONDS);
            for (int i = 0; i < opt.sessions; i++) drop(&sessions[i]);
        }
        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;
            if (s->state != CLOSED && events[i].events & EPOLLOUT) {
                watch(s, EPOLL_CTL_MOD, EPOLLIN);
                flush(s);
            }
            if (s->state != CLOSED && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(s);
        }
        if (!ended && accepted + failed >= opt.messages) ended = now(); /* what is left is QUIT */
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double part) { return accepted ? latency[(long)((accepted - 1) * part)] * 1e3 : 0; }

static void report(double begun) {
    double secs = last_accepted > begun ? last_accepted - begun : 1e-9;
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    qsort(latency, accepted, sizeof *latency, ascending);
    printf("{\"begun\": %.6f, \"accepted\": %ld, \"failed\": %ld, \"secs\": %.4f, \"rate\": %.1f, \"p50ms\": %.3f, \"p95ms\": %.3f, "
           "\"p99ms\": %.3f, \"cpu\": %.3f}\n",
           begun, accepted, failed + opt.messages - started, secs, accepted / secs, percentile(.5), percentile(.95),
           percentile(.99), own.ru_utime.tv_sec + own.ru_stime.tv_sec +
           (own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1e-6);
}

int main(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "p:s:m:l:du:f:D:c:S:")) > 0;) switch (o) {
        case 'p': opt.port = atoi(optarg); break;
        case 's': opt.sessions = atoi(optarg); break;
        case 'm': opt.messages = atol(optarg); break;
        case 'l': opt.octets = atol(optarg); break;
        case 'd': opt.many = true; break;
        case 'u': opt.users = atoi(optarg); break;
        case 'f': opt.first = atoi(optarg); break;
        case 'D': opt.domain = optarg; break;
        case 'c': opt.contents = optarg; break;
        case 'S': opt.sender = optarg; break;
        default: return 2;
    }
    if (opt.sessions > opt.messages) opt.sessions = opt.messages;
    if (!opt.port || opt.sessions < 1 || opt.users < 1 || opt.octets > (long)POOL_LINES * LINE / 2) return 2;
    if (opt.contents && !read_contents(opt.contents)) return 2;
    signal(SIGPIPE, SIG_IGN);
    make_pool();
    latency = calloc(opt.messages, sizeof *latency);
    struct session *sessions = calloc(opt.sessions, sizeof *sessions);
    poller = epoll_create1(EPOLL_CLOEXEC);
    double begun = now();
    for (int i = 0; i < opt.sessions; i++) {
        sessions[i].fd = -1;
        sessions[i].state = CLOSED;
        start_session(&sessions[i]);
    }
    run(sessions);
    report(begun);
    return failed || started < opt.messages;
}
