/* A learning switch to start from: its arguments are its ports, it prints "ready" when it listens.
 *
 * Build: cc -O2 -Wall -Wextra -o switch switch.c
 * Each port is a socket that sends and gets whole Ethernet frames (packet(7)).
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORTS 1024
#define PLACES 4096 /* a power of two */
#define AT_ONCE 64  /* frames of one port before the next one has its turn */

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static struct { unsigned char mac[ETH_ALEN]; int port; } learnt[PLACES]; /* port: from 1, or 0 */
static struct pollfd ports[PORTS];
static int count;

/* Where an address has its place in the table; two that share one push each other out. */
static unsigned place(const unsigned char *mac) {
  unsigned hash = 2166136261u; /* FNV-1a */
  for (int i = 0; i < ETH_ALEN; i++) hash = (hash ^ mac[i]) * 16777619u;
  return hash & (PLACES - 1); /* its low bits: neighbours differ in the last byte alone */
}

/* A socket that gets what comes in at a port, for whomever, and not what it sends. */
static int opened(const char *device) {
  int fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1, room = 8 << 20;
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
  at.sll_ifindex = all.mr_ifindex = if_nametoindex(device);
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room); /* for bursts */
  if (!at.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) ||
      bind(fd, (struct sockaddr *)&at, sizeof at)) {
    perror(device);
    exit(1);
  }
  return fd;
}

/* What should become of a frame is yours to say: drop it, delay it, change it, count it. */
static void forward(int from, const unsigned char *frame, ssize_t length) {
  const unsigned char *to = frame, *sender = frame + ETH_ALEN;
  unsigned at = place(sender);
  memcpy(learnt[at].mac, sender, ETH_ALEN);
  learnt[at].port = from + 1;
  at = place(to);
  int group = to[0] & 1; /* broadcast or multicast: to everybody */
  int known = group || memcmp(learnt[at].mac, to, ETH_ALEN) ? 0 : learnt[at].port;
  for (int out = 0; out < count; out++) /* a port that is down, or full, loses the frame */
    if (out != from && (!known || known == out + 1))
      (void)!send(ports[out].fd, frame, length, MSG_DONTWAIT);
}

int main(int argc, char **argv) {
  static unsigned char frame[1 << 16];
  for (count = 0; count < argc - 1 && count < PORTS; count++)
    ports[count] = (struct pollfd){.fd = opened(argv[count + 1]), .events = POLLIN};
  printf("ready\n");
  fflush(stdout); /* else it stays in a buffer, as the output is no terminal */
  for (;;) {
    poll(ports, count, -1);
    for (int from = 0; from < count; from++) {
      ssize_t length = 0; /* a port that went down gives ENETDOWN once, and frames when it is up */
      for (int i = 0; ports[from].revents && i < AT_ONCE && length >= 0; i++) {
        length = recv(ports[from].fd, frame, sizeof frame, MSG_DONTWAIT);
        if (length >= ETH_HLEN) forward(from, frame, length);
      }
    }
  }
}
