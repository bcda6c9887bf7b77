/* Frames for a switch alone: sent into the hypervisor's ends of its ports, and counted there.
 *
 *   generator SECONDS DEVICE=MAC...          the ports, from number 1 on, each with its address
 *
 * It removes its own file and prints {"ready": true}. Each line of its input is a trial as
 * farswitch/switch_bench/generator.py writes it, and is answered by a line of what was counted. It
 * ends with its input, or after SECONDS.
 *
 * Frames go out by sendmmsg(2) on packet sockets and come in by rings (packet(7), TPACKET_V3), whose
 * times are the kernel's own: how late the counting thread wakes up changes no latency. Standard C
 * library and Linux alone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  PORTS = 16,
  BATCH = 32,              /* frames of one system call */
  LONGEST = 9216,          /* bytes of a frame */
  KIND = 0x88B5,           /* IEEE 802: local experimental ethertype 1 */
  BLOCK = 1 << 18,         /* bytes of a block of a ring */
  BLOCKS = 64,
  BLOCK_MS = 10,           /* after which a block that is not full is handed over */
  FRAMES = 1 << 25,        /* of one port in one trial */
  SAMPLES = 1 << 20,       /* latencies that are kept: the last ones */
  PAUSE = 50000,           /* ns that the sender sleeps at least: what is due meanwhile is a burst */
  DEBT = 1000000,          /* ns that a sender that was held up catches up */
  STORED = 100000000,      /* ns after the last frame was sent from which on one comes late */
  LATE = 2000000000        /* ns that frames may come after the last one was sent: RFC 2544, 23 */
};
enum { EVERYBODY = -1, NOBODY = -2 };

struct mark { /* behind the Ethernet header */
  uint64_t token;
  uint32_t trial;
  uint16_t source, target; /* ports; target 0: all others */
  uint64_t number;         /* of its source port, from 0 */
  int64_t sent;            /* ns since 1970 */
} __attribute__((packed));

struct trial {
  int source, to, size, addresses, learn, probe;
  double rate, seconds, quiet;
  long frames;
};

static struct port {
  unsigned char mac[ETH_ALEN];
  int out, in, block;
  unsigned char *ring;
} ports[PORTS + 1]; /* from 1 */
static int count;
static uint64_t token;

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static uint32_t current;
static unsigned char *seen[PORTS + 1][PORTS + 1]; /* by receiver and source: a bit a number */
static long received[PORTS + 1], delivered, strayed, doubled, reordered, late, samples, overrun;
static int64_t highest[PORTS + 1][PORTS + 1], latest, silence, woken, over;
static int64_t latencies[SAMPLES];

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(2);
}

static int64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void until(int64_t when) {
  struct timespec t = {.tv_sec = when / 1000000000, .tv_nsec = when % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

/* Open one port: a socket that sends, and one that gets frames of our kind into a ring. */
static void open_port(int number, char *word) {
  struct port *port = &ports[number];
  char *mac = strchr(word, '=');
  struct sockaddr_ll at = {.sll_family = AF_PACKET};
  struct tpacket_req3 ring = {.tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = 2048,
                              .tp_frame_nr = BLOCK / 2048 * BLOCKS, .tp_retire_blk_tov = BLOCK_MS};
  int version = TPACKET_V3, room = 16 << 20, yes = 1;
  unsigned char *m = port->mac;
  if (!mac || sscanf(mac + 1, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", m, m + 1, m + 2, m + 3, m + 4,
                     m + 5) != ETH_ALEN) {
    errno = EINVAL;
    fail(word);
  }
  *mac = '\0';
  at.sll_ifindex = (int)if_nametoindex(word);
  port->out = socket(AF_PACKET, SOCK_RAW, 0);
  port->in = socket(AF_PACKET, SOCK_RAW, 0);
  if (!at.sll_ifindex || bind(port->out, (struct sockaddr *)&at, sizeof at) ||
      setsockopt(port->out, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) ||
      setsockopt(port->out, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) ||
      setsockopt(port->in, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
      setsockopt(port->in, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring))
    fail(word);
  port->ring = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, port->in, 0);
  at.sll_protocol = htons(KIND);
  if (port->ring == MAP_FAILED || bind(port->in, (struct sockaddr *)&at, sizeof at)) fail(word);
}

/* Count one frame that came in at a port; `when` is the kernel's time of it. */
static void take(int at, const unsigned char *frame, unsigned length, int64_t when) {
  struct mark mark;
  if (length < ETH_HLEN + sizeof mark) return;
  memcpy(&mark, frame + ETH_HLEN, sizeof mark);
  if (mark.token != token || mark.trial != current || mark.source < 1 || mark.source > count ||
      mark.number >= FRAMES)
    return;
  woken = now(CLOCK_MONOTONIC);
  unsigned char **map = &seen[at][mark.source], bit = (unsigned char)(1 << mark.number % 8);
  if (!*map) {
    *map = mmap(NULL, FRAMES / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*map == MAP_FAILED) fail("mmap");
  }
  if ((*map)[mark.number / 8] & bit) {
    doubled++;
    return;
  }
  (*map)[mark.number / 8] |= bit;
  received[at]++;
  if (mark.target && mark.target != at) {
    strayed++;
    return;
  }
  delivered++;
  if (over && when > over + STORED) late++;
  if ((int64_t)mark.number < highest[at][mark.source]) reordered++;
  else highest[at][mark.source] = (int64_t)mark.number;
  if (latest && when - latest > silence) silence = when - latest;
  latest = when;
  latencies[samples++ % SAMPLES] = when - mark.sent;
}

static void take_block(int at, struct tpacket_block_desc *block) {
  unsigned char *next = (unsigned char *)block + block->hdr.bh1.offset_to_first_pkt;
  pthread_mutex_lock(&counting);
  for (unsigned i = 0; i < block->hdr.bh1.num_pkts; i++) {
    struct tpacket3_hdr *head = (struct tpacket3_hdr *)(void *)next;
    take(at, next + head->tp_mac, head->tp_snaplen,
         (int64_t)head->tp_sec * 1000000000 + head->tp_nsec);
    next += head->tp_next_offset;
  }
  pthread_mutex_unlock(&counting);
}

static void *receive(void *unused) {
  struct pollfd ready[PORTS];
  for (int i = 0; i < count; i++)
    ready[i] = (struct pollfd){.fd = ports[i + 1].in, .events = POLLIN | POLLERR};
  for (;;) {
    poll(ready, (nfds_t)count, -1);
    for (int at = 1; at <= count; at++) {
      for (;;) {
        struct tpacket_block_desc *block =
            (void *)(ports[at].ring + (size_t)ports[at].block * BLOCK);
        if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
          break;
        take_block(at, block);
        __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        ports[at].block = (ports[at].block + 1) % BLOCKS;
      }
    }
  }
  return unused;
}

/* Write an address of ours that no port has: one of a set, or (0) one that never sends. */
static void foreign(unsigned char *mac, uint32_t number) {
  const unsigned char head[] = {0x02, 0xfb, 0, 0, 0, 0};
  memcpy(mac, head, ETH_ALEN);
  for (int i = 0; i < 4; i++) mac[ETH_ALEN - 1 - i] = (unsigned char)(number >> 8 * i);
}

/* Fill in a frame of a source port. */
static void fill(unsigned char *frame, const struct trial *trial, int source, uint64_t number) {
  int target = trial->to > 0 ? trial->to : 0;
  if (trial->to == 0) { /* each other port in turn */
    target = 1 + (int)((uint64_t)source + number % (uint64_t)(count - 1)) % count;
  }
  struct mark mark = {.token = token, .trial = current, .source = (uint16_t)source,
                      .target = (uint16_t)target, .number = number};
  uint32_t one = trial->addresses ? (uint32_t)(number % (uint64_t)trial->addresses) : 0;
  if (trial->probe) foreign(frame, (uint32_t)trial->probe + one);
  else if (trial->to == EVERYBODY) memset(frame, 0xff, ETH_ALEN);
  else if (trial->to == NOBODY) foreign(frame, 0);
  else memcpy(frame, ports[target].mac, ETH_ALEN);
  if (trial->learn) foreign(frame + ETH_ALEN, (uint32_t)trial->learn + one);
  else memcpy(frame + ETH_ALEN, ports[source].mac, ETH_ALEN);
  frame[12] = KIND >> 8;
  frame[13] = KIND & 0xff;
  mark.sent = now(CLOCK_REALTIME);
  memcpy(frame + ETH_HLEN, &mark, sizeof mark);
}

struct sending {
  long sent, refused;
  int64_t began, ended;
};

/* Send `some` frames of one port; return how many went out. */
static int send_some(const struct trial *trial, int source, uint64_t number, int some,
                     struct sending *sending) {
  static unsigned char frames[BATCH][LONGEST];
  struct mmsghdr messages[BATCH] = {0};
  struct iovec parts[BATCH];
  for (int i = 0; i < some; i++) {
    fill(frames[i], trial, source, number + (uint64_t)i);
    parts[i] = (struct iovec){.iov_base = frames[i], .iov_len = (size_t)trial->size};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  int sent = sendmmsg(ports[source].out, messages, (unsigned)some, 0);
  if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sendmmsg");
  if (sent < some) sending->refused++;
  return sent < 0 ? 0 : sent;
}

static struct sending send_all(const struct trial *trial) {
  uint64_t numbers[PORTS + 1] = {0};
  struct sending sending = {.began = now(CLOCK_MONOTONIC)};
  int64_t base = sending.began, end = base + (int64_t)(trial->seconds * 1e9), time = base;
  double owed = 0; /* frames that were due before `base` */
  int source = trial->source ? trial->source : 1;
  long limit = trial->frames ? trial->frames : FRAMES;
  while (time < end && sending.sent < limit) {
    double due = trial->rate > 0 ? owed + (double)(time - base) * trial->rate / 1e9 + 1 : 1e18;
    while (sending.sent < limit && (double)sending.sent + 1 <= due) {
      double left = due - (double)sending.sent;
      int some = left < BATCH ? (int)left : BATCH;
      if (!trial->source && some > 4) some = 4; /* so that ports take turns */
      if (some > limit - sending.sent) some = (int)(limit - sending.sent);
      int done = send_some(trial, source, numbers[source], some, &sending);
      numbers[source] += (uint64_t)done;
      sending.sent += done;
      if (!trial->source) source = source % count + 1;
      if ((time = now(CLOCK_MONOTONIC)) >= end) break;
    }
    if (trial->rate > 0 && time < end) {
      int64_t next = base + (int64_t)(((double)sending.sent - owed) * 1e9 / trial->rate);
      if (time - next > DEBT) { /* it was held up: what it did not send, it does not owe */
        base = time;
        owed = (double)sending.sent;
      }
      until(next > time + PAUSE ? next : time + PAUSE);
      time = now(CLOCK_MONOTONIC);
    }
  }
  sending.ended = now(CLOCK_MONOTONIC);
  pthread_mutex_lock(&counting);
  over = now(CLOCK_REALTIME);
  pthread_mutex_unlock(&counting);
  return sending;
}

static void begin_trial(void) {
  pthread_mutex_lock(&counting);
  current++;
  for (int at = 1; at <= count; at++) {
    struct tpacket_stats_v3 statistics;
    socklen_t size = sizeof statistics;
    getsockopt(ports[at].in, SOL_PACKET, PACKET_STATISTICS, &statistics, &size); /* clears it */
    received[at] = 0;
    for (int from = 1; from <= count; from++) {
      highest[at][from] = -1;
      if (seen[at][from]) munmap(seen[at][from], FRAMES / 8);
      seen[at][from] = NULL;
    }
  }
  delivered = strayed = doubled = reordered = late = samples = overrun = 0;
  latest = silence = woken = over = 0;
  pthread_mutex_unlock(&counting);
}

/* Wait until nothing has come for a moment. */
static void await_quiet(const struct sending *sending, double quiet) {
  int64_t last = sending->ended, wait = (int64_t)(quiet * 1e9);
  while (now(CLOCK_MONOTONIC) < last + wait && now(CLOCK_MONOTONIC) < sending->ended + LATE) {
    until(now(CLOCK_MONOTONIC) + 10000000);
    pthread_mutex_lock(&counting);
    if (woken > last) last = woken;
    pthread_mutex_unlock(&counting);
  }
}

static int compare(const void *one, const void *other) {
  int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
  return (a > b) - (a < b);
}

static double share(long many, double part) { /* of sorted latencies, in microseconds */
  return many ? (double)latencies[(long)((double)(many - 1) * part)] / 1e3 : 0;
}

static void report(const struct sending *sending) {
  pthread_mutex_lock(&counting);
  long many = samples < SAMPLES ? samples : SAMPLES;
  qsort(latencies, (size_t)many, sizeof *latencies, compare);
  for (int at = 1; at <= count; at++) {
    struct tpacket_stats_v3 statistics = {0};
    socklen_t size = sizeof statistics;
    getsockopt(ports[at].in, SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
    overrun += statistics.tp_drops;
  }
  printf("{\"sent\":%ld,\"refused\":%ld,\"seconds\":%.6f,\"received\":[", sending->sent,
         sending->refused, (double)(sending->ended - sending->began) / 1e9);
  for (int at = 1; at <= count; at++) printf("%s%ld", at > 1 ? "," : "", received[at]);
  printf("],\"delivered\":%ld,\"strayed\":%ld,\"doubled\":%ld,\"reordered\":%ld,\"late\":%ld,",
         delivered, strayed, doubled, reordered, late);
  printf("\"overrun\":%ld,\"latency_us\":[%.1f,%.1f,%.1f,%.1f],\"silence_ms\":%.3f}\n", overrun,
         share(many, 0.5), share(many, 0.95), share(many, 0.99), share(many, 1), (double)silence / 1e6);
  fflush(stdout);
  pthread_mutex_unlock(&counting);
}

static bool parse(const char *line, struct trial *trial) {
  *trial = (struct trial){0};
  return sscanf(line,
                "{\"source\":%d,\"to\":%d,\"size\":%d,\"rate\":%lf,\"seconds\":%lf,\"frames\":%ld,"
                "\"addresses\":%d,\"learn\":%d,\"probe\":%d,\"quiet\":%lf}",
                &trial->source, &trial->to, &trial->size, &trial->rate, &trial->seconds,
                &trial->frames, &trial->addresses, &trial->learn, &trial->probe,
                &trial->quiet) == 10 &&
         trial->source >= 0 && trial->source <= count && trial->to >= NOBODY &&
         trial->to <= count && trial->size >= (int)(ETH_HLEN + sizeof(struct mark)) &&
         trial->size <= LONGEST && trial->frames >= 0 && trial->frames <= FRAMES &&
         trial->addresses >= 0;
}

int main(int argc, char **argv) {
  char line[512];
  pthread_t thread;
  if (argc < 4 || argc - 2 > PORTS) return fputs("usage: generator SECONDS PORT...\n", stderr), 2;
  unlink(argv[0]);
  alarm((unsigned)atoi(argv[1]));
  prctl(PR_SET_TIMERSLACK, 1UL);
  token = (uint64_t)now(CLOCK_REALTIME) ^ (uint64_t)getpid() << 48;
  for (count = 0; count < argc - 2; count++) open_port(count + 1, argv[count + 2]);
  errno = pthread_create(&thread, NULL, receive, NULL);
  if (errno) fail("pthread_create");
  puts("{\"ready\":true}");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    struct trial trial;
    if (!parse(line, &trial)) return fprintf(stderr, "no trial: %s", line), 2;
    begin_trial();
    struct sending sending = send_all(&trial);
    await_quiet(&sending, trial.quiet);
    report(&sending);
  }
  return 0;
}
