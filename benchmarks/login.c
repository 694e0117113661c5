/*
 * login: a closed-loop generator of IMAP sign-ins (RFC 3501 6.2.3).
 *
 *   login -p PORT -w PASSWORD [-s SESSIONS] [-t SECONDS] [-u USERS] [-D DOMAIN]
 *
 * Each of SESSIONS connections to 127.0.0.1 waits for the greeting, sends LOGIN, waits for its OK, sends LOGOUT, waits
 * until the server closes, and begins again with the next user: u00, u01 ... in turn, with @DOMAIN when one is given.
 * For SECONDS no more are begun than end; those under way then are not counted.
 *
 * Prints one line of JSON: logins (OK to LOGIN and the connection closed after LOGOUT), failed, secs, rate, p50ms and
 * p99ms (from connect to the OK of LOGIN), cpu (seconds of this process). Status 1 if any was refused.
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
#include <time.h>
#include <unistd.h>

enum { MAX_LOGINS = 1 << 20, STALL_SECONDS = 20, MAX_SHOWN = 5 };
enum state { GREETING, LOGIN, LOGOUT };

struct session {
    int fd;
    enum state state;
    size_t in_len;
    double began;
    char in[8192];
};

static struct {
    int port, sessions, users;
    double seconds;
    const char *password, *domain;
} opt = {.sessions = 50, .users = 100, .seconds = 5, .password = "", .domain = ""};

static float latency[MAX_LOGINS];
static long signed_in, logins, failed, next_user;
static int poller;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void start_session(struct session *s) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(opt.port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->state = GREETING;
    s->in_len = 0;
    s->began = now();
    for (int attempt = 0; attempt < 5000; attempt++) {
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!connect(s->fd, (void *)&to, sizeof to) || errno == EINPROGRESS) break;
        close(s->fd); /* ports of finished connections are not free again yet */
        s->fd = -1;
        usleep(1000);
    }
    if (s->fd < 0) {
        fprintf(stderr, "login: cannot connect\n");
        exit(1);
    }
    epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event);
}

static void again(struct session *s) {
    close(s->fd);
    start_session(s);
}

static void fail(struct session *s, const char *what) {
    if (failed++ < MAX_SHOWN) fprintf(stderr, "login: %s in state %d: %.*s\n", what, s->state, (int)s->in_len, s->in);
    if (failed > 1000) exit(1);
    again(s);
}

static void say(struct session *s, enum state state, const char *line, int length) {
    s->state = state;
    s->in_len = 0;
    if (write(s->fd, line, length) != length) fail(s, "write");
}

static void greeted(struct session *s) {
    char line[512];
    long user = next_user++ % opt.users;
    int length = snprintf(line, sizeof line, "a LOGIN u%02ld%s%s %s\r\n", user, *opt.domain ? "@" : "", opt.domain,
                          opt.password);
    say(s, LOGIN, line, length);
}

/* The last whole line that has arrived, or NULL. */
static char *last_line(struct session *s) {
    if (s->in_len < 2 || memcmp(s->in + s->in_len - 2, "\r\n", 2)) return NULL;
    s->in[s->in_len - 2] = 0;
    char *before = strrchr(s->in, '\n');
    s->in[s->in_len - 2] = '\r';
    return before ? before + 1 : s->in;
}

static void readable(struct session *s) {
    ssize_t n = read(s->fd, s->in + s->in_len, sizeof s->in - 1 - s->in_len);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        if (s->state != LOGOUT) {
            fail(s, "closed");
            return;
        }
        logins++;
        again(s);
        return;
    }
    s->in_len += n;
    s->in[s->in_len] = 0;
    char *line = last_line(s);
    if (!line) return;
    if (s->state == GREETING) greeted(s);
    else if (s->state == LOGIN && !strncmp(line, "a OK", 4)) {
        if (signed_in < MAX_LOGINS) latency[signed_in++] = (now() - s->began) * 1e3;
        say(s, LOGOUT, "b LOGOUT\r\n", 10);
    } else if (s->state == LOGIN && line[0] != '*') fail(s, "refused");
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "p:s:t:u:w:D:")) > 0;) switch (o) {
        case 'p': opt.port = atoi(optarg); break;
        case 's': opt.sessions = atoi(optarg); break;
        case 't': opt.seconds = atof(optarg); break;
        case 'u': opt.users = atoi(optarg); break;
        case 'w': opt.password = optarg; break;
        case 'D': opt.domain = optarg; break;
        default: return 2;
    }
    if (!opt.port || opt.sessions < 1 || opt.users < 1) return 2;
    signal(SIGPIPE, SIG_IGN);
    struct session *sessions = calloc(opt.sessions, sizeof *sessions);
    struct epoll_event events[256];
    poller = epoll_create1(EPOLL_CLOEXEC);
    double begun = now(), last = begun;
    for (int i = 0; i < opt.sessions; i++) start_session(&sessions[i]);
    while (now() - begun < opt.seconds) {
        int n = epoll_wait(poller, events, 256, 200);
        if (n > 0) last = now();
        if (now() - last > STALL_SECONDS) break;
        for (int i = 0; i < n; i++) readable(events[i].data.ptr);
    }
    double secs = now() - begun;
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    qsort(latency, signed_in, sizeof *latency, ascending);
    printf("{\"logins\": %ld, \"failed\": %ld, \"secs\": %.4f, \"rate\": %.1f, \"p50ms\": %.3f, \"p99ms\": %.3f, "
           "\"cpu\": %.3f}\n",
           logins, failed, secs, logins / secs, latency[signed_in / 2], latency[signed_in * 99 / 100],
           own.ru_utime.tv_sec + own.ru_stime.tv_sec + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1e-6);
    return failed || !logins;
}
