/* Round trips over UDP and streams over TCP between two namespaces.
 *
 *   traffic serve ADDRESS PORT                 echo datagrams and drink streams until killed
 *   traffic ping ADDRESS PORT COUNT            print the nanoseconds of a round trip, mean of COUNT
 *   traffic stream ADDRESS PORT STREAMS MS     print the bits a second of STREAMS side by side
 *
 * Standard C library and Linux alone; `bench.dataplane` compiles it. Exit 2: something failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PING_BYTES = 64, STREAM_BYTES = 1 << 17, STREAMS_MAX = 16, LOST_AFTER_SECONDS = 1 };

static char buffer[STREAM_BYTES];

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

static int check(int result, const char *what) {
    if (result < 0) fail(what);
    return result;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct sockaddr_in place(char **argv) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(argv[1]))};
    if (inet_pton(AF_INET, argv[0], &where.sin_addr) != 1) {
        errno = EINVAL;
        fail(argv[0]);
    }
    return where;
}

static int opened(int type) { return check(socket(AF_INET, type, 0), "socket"); }

static void serve(char **argv) {
    struct sockaddr_in here = place(argv);
    int on = 1, count = 2;
    struct pollfd ready[2 + STREAMS_MAX] = {{.fd = opened(SOCK_DGRAM), .events = POLLIN},
                                            {.fd = opened(SOCK_STREAM), .events = POLLIN}};
    check(setsockopt(ready[1].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
    for (int i = 0; i < 2; i++) check(bind(ready[i].fd, (void *)&here, sizeof here), "bind");
    check(listen(ready[1].fd, STREAMS_MAX), "listen");
    puts("ready");
    fflush(stdout);
    for (;;) {
        check(poll(ready, (nfds_t)count, -1), "poll");
        if (ready[0].revents) {
            struct sockaddr_in from;
            socklen_t size = sizeof from;
            ssize_t got = recvfrom(ready[0].fd, buffer, sizeof buffer, 0, (void *)&from, &size);
            if (got > 0) sendto(ready[0].fd, buffer, (size_t)got, 0, (void *)&from, size);
        }
        for (int i = count - 1; i >= 2; i--) {
            if (!ready[i].revents || read(ready[i].fd, buffer, sizeof buffer) > 0) continue;
            close(ready[i].fd);
            ready[i] = ready[--count];
        }
        if (ready[1].revents && count < 2 + STREAMS_MAX)
            ready[count++] = (struct pollfd){
                .fd = check(accept(ready[1].fd, NULL, NULL), "accept"), .events = POLLIN};
    }
}

static void ping(char **argv) {
    struct sockaddr_in there = place(argv);
    struct timeval lost = {.tv_sec = LOST_AFTER_SECONDS};
    int fd = opened(SOCK_DGRAM), count = atoi(argv[2]);
    check(connect(fd, (void *)&there, sizeof there), "connect");
    check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &lost, sizeof lost), "setsockopt");
    double start = now();
    for (int i = 0; i < count; i++) {
        check((int)send(fd, buffer, PING_BYTES, 0), "send");
        check((int)recv(fd, buffer, PING_BYTES, 0), "recv");
    }
    printf("%.0f\n", (now() - start) / count);
}

static void stream(char **argv) {
    struct sockaddr_in there = place(argv);
    int streams = atoi(argv[2]);
    double bytes = 0, start = now(), end = start + atof(argv[3]) * 1e6;
    struct pollfd ready[STREAMS_MAX];
    if (streams > STREAMS_MAX) streams = STREAMS_MAX;
    for (int i = 0; i < streams; i++) {
        ready[i] = (struct pollfd){.fd = opened(SOCK_STREAM | SOCK_NONBLOCK), .events = POLLOUT};
        if (connect(ready[i].fd, (void *)&there, sizeof there) < 0 && errno != EINPROGRESS)
            fail("connect");
    }
    while (now() < end) {
        check(poll(ready, (nfds_t)streams, 100), "poll");
        for (int i = 0; i < streams; i++)
            if (ready[i].revents) {
                ssize_t sent = send(ready[i].fd, buffer, sizeof buffer, MSG_NOSIGNAL);
                if (sent < 0 && errno != EAGAIN) fail("send");
                if (sent > 0) bytes += (double)sent;
            }
    }
    printf("%.0f\n", bytes * 8e9 / (now() - start));
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "serve")) serve(argv + 2);
    else if (argc == 5 && !strcmp(argv[1], "ping")) ping(argv + 2);
    else if (argc == 6 && !strcmp(argv[1], "stream")) stream(argv + 2);
    else return fputs("usage: see the head of traffic.c\n", stderr), 2;
    return 0;
}
