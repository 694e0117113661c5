/*
 * fetch: a closed-loop POP3 reader (RFC 1939), one connection.
 *
 *   fetch -p PORT -u USER -w PASSWORD [-n PASSES]
 *
 * Logs in to 127.0.0.1 in clear text, asks STAT, fetches every message with RETR one after the other, each
 * asked for when the one before has arrived whole, and quits without deleting. Each pass is a session.
 *
 * Prints one line of JSON for each pass: messages, octets (as they went over the wire), secs (first RETR to last
 * octet), rate, p50ms, p99ms (one RETR). Status 1 if the server refuses or closes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int server;
static char in[1 << 20];
static size_t in_len;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    in[in_len < 200 ? in_len : 200] = 0;
    fprintf(stderr, "fetch: %s: %s\n", what, in);
    exit(1);
}

/* Reads until what has arrived ends with END, which is the end of the reply: one command is under way. */
static size_t reply(const char *end) {
    size_t end_len = strlen(end), total = 0;
    in_len = 0;
    for (;;) {
        if (in_len == sizeof in) { /* keep the tail, in which END may have begun */
            memmove(in, in + in_len - 8, 8);
            in_len = 8;
        }
        ssize_t n = read(server, in + in_len, sizeof in - in_len);
        if (n <= 0) die("closed");
        if (!total && in[0] != '+') die("refused");
        in_len += n;
        total += n;
        if (in_len >= end_len && !memcmp(in + in_len - end_len, end, end_len)) return total;
    }
}

static size_t ask(const char *end, const char *format, ...) {
    char line[512];
    va_list values;
    va_start(values, format);
    int n = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (write(server, line, n) != n) die("write");
    return reply(end);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void pass(int port, const char *user, const char *password) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    long messages = 0, octets = 0;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (void *)&to, sizeof to)) die("connect");
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    reply("\r\n");
    ask("\r\n", "USER %s\r\n", user);
    ask("\r\n", "PASS %s\r\n", password);
    ask("\r\n", "STAT\r\n");
    sscanf(in, "+OK %ld", &messages);
    double *latency = calloc(messages + 1, sizeof *latency), begun = now(), last = begun;
    for (long i = 1; i <= messages; i++) {
        octets += ask("\r\n.\r\n", "RETR %ld\r\n", i);
        double t = now();
        latency[i - 1] = t - last;
        last = t;
    }
    ask("\r\n", "QUIT\r\n");
    close(server);
    qsort(latency, messages, sizeof *latency, ascending);
    printf("{\"messages\": %ld, \"octets\": %ld, \"secs\": %.4f, \"rate\": %.1f, \"p50ms\": %.4f, \"p99ms\": %.4f}\n",
           messages, octets, last - begun, messages / (last - begun + 1e-9), latency[messages / 2] * 1e3,
           latency[messages * 99 / 100] * 1e3);
    free(latency);
}

int main(int argc, char **argv) {
    int port = 0, passes = 1;
    const char *user = "", *password = "";
    for (int o; (o = getopt(argc, argv, "p:u:w:n:")) > 0;) switch (o) {
        case 'p': port = atoi(optarg); break;
        case 'u': user = optarg; break;
        case 'w': password = optarg; break;
        case 'n': passes = atoi(optarg); break;
        default: return 2;
    }
    if (!port) return 2;
    while (passes--) pass(port, user, password);
    return 0;
}
