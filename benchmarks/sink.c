/*
 * sink: an SMTP server (RFC 5321) that takes every message, forgets it, and counts: one thread, epoll.
 *
 *   sink -p PORT
 *
 * Listens on 127.0.0.1. EHLO offers PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES. Messages are told apart by
 * their Message-ID, so that one that comes twice is seen. Beside SMTP it knows the command STAT, answered with
 *
 *   250 {"taken": N, "distinct": N, "connections": N, "last": SECONDS, "cpu": SECONDS}
 *
 * where last is when the last distinct message was taken (CLOCK_MONOTONIC) and cpu what this process has used.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { IN = 1 << 16, OUT = 1 << 14, SLOTS = 1 << 22 };

struct session {
    int fd;
    bool content, header, torn; /* torn: the line at hand began in what was thrown away */
    uint64_t id;
    size_t in_len, out_len;
    char in[IN], out[OUT];
};

static uint64_t *seen;
static long taken, distinct, connections;
static double last;
static int poller;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    return own.ru_utime.tv_sec + own.ru_stime.tv_sec + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1e-6;
}

/* FNV-1a, never 0: that is a free slot. */
static uint64_t hash(const char *text, size_t length) {
    uint64_t h = 1469598103934665603ULL;
    while (length--) h = (h ^ (unsigned char)*text++) * 1099511628211ULL;
    return h ? h : 1;
}

/* Counts a message; one without Message-ID is never the same as another. */
static void take(uint64_t id) {
    taken++;
    if (id) {
        uint64_t at = id & (SLOTS - 1);
        while (seen[at] && seen[at] != id) at = (at + 1) & (SLOTS - 1);
        if (seen[at]) return;
        seen[at] = id;
    }
    if (++distinct > SLOTS / 2) exit(3);
    last = now();
}

static void say(struct session *s, const char *reply) {
    size_t length = strlen(reply);
    if (s->out_len + length > OUT) return; /* nobody pipelines that much */
    memcpy(s->out + s->out_len, reply, length);
    s->out_len += length;
}

static bool is(const char *line, const char *verb) { return !strncasecmp(line, verb, strlen(verb)); }

static void statistics(struct session *s) {
    char reply[256];
    snprintf(reply, sizeof reply,
             "250 {\"taken\": %ld, \"distinct\": %ld, \"connections\": %ld, \"last\": %.6f, \"cpu\": %.3f}\r\n", taken,
             distinct, connections, last, cpu());
    say(s, reply);
}

/* Returns false after QUIT. */
static bool command(struct session *s, const char *line) {
    if (is(line, "QUIT")) {
        say(s, "221 2.0.0 Bye\r\n");
        return false;
    }
    if (is(line, "DATA")) {
        s->content = s->header = true;
        s->id = 0;
        say(s, "354 Go on\r\n");
    } else if (is(line, "EHLO")) {
        say(s, "250-sink\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
    } else if (is(line, "STAT")) {
        statistics(s);
    } else {
        say(s, "250 2.0.0 Ok\r\n");
    }
    return true;
}

static void content(struct session *s, const char *line, size_t length) {
    if (length == 1 && *line == '.') {
        s->content = false;
        take(s->id);
        say(s, "250 2.0.0 Ok\r\n");
    } else if (s->header) {
        if (!length) s->header = false;
        else if (is(line, "Message-ID:")) s->id = hash(line + 11, length - 11);
    }
}

/* Takes the whole lines that are there. Returns false when the session is over. */
static bool lines(struct session *s) {
    char *line = s->in, *limit = s->in + s->in_len, *end;
    while ((end = memchr(line, '\n', limit - line))) {
        size_t length = end - line;
        if (length && line[length - 1] == '\r') length--;
        line[length] = 0;
        if (s->torn) s->torn = false;
        else if (s->content) content(s, line, length);
        else if (!command(s, line)) return false;
        line = end + 1;
    }
    s->in_len = limit - line;
    if (s->in_len == IN) {
        s->in_len = 0;
        s->torn = true;
    }
    memmove(s->in, line, s->in_len);
    return true;
}

static void readable(struct session *s) {
    ssize_t n = read(s->fd, s->in + s->in_len, IN - s->in_len);
    bool goes_on = n > 0;
    if (goes_on) {
        s->in_len += n;
        goes_on = lines(s);
    }
    /* Replies are short: what the socket does not take at once belongs to a client that does not read. */
    if (s->out_len && write(s->fd, s->out, s->out_len) != (ssize_t)s->out_len) goes_on = false;
    s->out_len = 0;
    if (goes_on) return;
    close(s->fd);
    free(s);
}

static void open_session(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0) return;
    struct session *s = calloc(1, sizeof *s);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    s->fd = fd;
    connections++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    if (write(fd, "220 sink ESMTP\r\n", 16) < 0) return; /* its end will be read */
}

int main(int argc, char **argv) {
    int port = 0, on = 1;
    for (int o; (o = getopt(argc, argv, "p:")) > 0;) {
        if (o != 'p') return 2;
        port = atoi(optarg);
    }
    signal(SIGPIPE, SIG_IGN);
    seen = calloc(SLOTS, sizeof *seen);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!port || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) {
        perror("sink");
        return 1;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) readable(events[i].data.ptr);
            else open_session(listener);
        }
    }
}
