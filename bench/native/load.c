/* load: an HTTP/1.1 load generator.  One thread, epoll; prints one line of JSON.
 *
 *   load -p PORT -f REQUEST [-c CONNECTIONS] [-d SECONDS] [-r RATE] [-n CALLS] [-m BYTES] [-e EVENTS]
 *
 * REQUEST is a file with the raw bytes to send.  Closed loop by default; with -r an open loop, whose latencies count
 * from the time at which a call was due, so that queueing is not hidden.  -n ends after that many calls.
 *
 * Only a whole answer with status 2xx counts as done, and only those are in the latencies: an answer of fewer than
 * -m body bytes is "short", one that ends early (with -e: a stream of fewer SSE events) is "cut", one that has not
 * ended ten seconds after the last second is "hung".  With -e the age of each event is taken from the
 * "t=<CLOCK_MONOTONIC ns>" that the fake provider puts in.  A closing [DONE] is not asked for: not every dialect has one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GRACE_NS 10000000000ull
#define MAX_HEAD 16384

enum reading { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };
enum age_scan { SEEK_T, SEEK_EQUALS, DIGITS };

typedef struct {
  int fd, busy;
  long sent; /* bytes of the request that are out */
  uint64_t due;
  enum reading reading;
  char head[MAX_HEAD];
  int head_len, status, close_after, until_close;
  long left; /* bytes left of the body or of the chunk */
  char size[20];
  int size_len, trailer_len;
  long body_bytes;
  char line[5]; /* how the current SSE line begins */
  int line_len, events;
  enum age_scan age_scan;
  uint64_t stamp;
} Conn;

typedef struct {
  float *at;
  long n, room;
} Samples;

static struct { int port, connections, least_events; double seconds, rate; long calls, least; } opt = {0, 32, 0, 5, 0, 0, 0};
static struct { long done, refused_status, cut, short_, hung, unreachable, events, bytes; int first_bad; } count;
static Samples latency, first_byte, age;
static char *request;
static long request_len, issued;
static int poll_fd;
static uint64_t end_at;
static Conn *conns;
static int *idle, idle_n;
static uint64_t *waiting; /* open loop: due times without a free connection yet */
static long waiting_head, waiting_tail, waiting_room;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void keep(Samples *s, double microseconds) {
  if (s->n == s->room) {
    s->room = s->room ? s->room * 2 : 65536;
    s->at = realloc(s->at, s->room * sizeof(float));
  }
  s->at[s->n++] = microseconds;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double quantile(const Samples *s, double q) {
  long i = s->n * q;
  return s->n ? s->at[i < s->n ? i : s->n - 1] : 0;
}

static void watch(Conn *c, int op, uint32_t events) {
  struct epoll_event e = {events, {.ptr = c}};
  epoll_ctl(poll_fd, op, c->fd, &e);
}

/* A gateway that has gone away ends the run: calls that cannot even connect are no measurement. */
static void dial(Conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  c->busy = 0;
  if (connect(c->fd, (void *)&to, sizeof to)) {
    count.unreachable++;
    end_at = 0;
    return;
  }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void hang_up(Conn *c) {
  epoll_ctl(poll_fd, EPOLL_CTL_DEL, c->fd, NULL);
  close(c->fd);
}

/* A failed send needs no care here: the receiving side sees the broken connection and counts it. */
static void push(Conn *c) {
  while (c->sent < request_len) {
    ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return;
    }
    c->sent += n;
  }
}

static void begin(Conn *c, uint64_t due) {
  c->sent = c->head_len = c->status = c->close_after = c->until_close = c->size_len = c->trailer_len = 0;
  c->body_bytes = c->line_len = c->events = 0;
  c->reading = HEAD;
  c->age_scan = SEEK_T;
  c->busy = 1;
  c->due = due;
  issued++;
  push(c);
}

static int more_wanted(void) { return !opt.calls || issued < opt.calls; }

static void next(Conn *c) {
  uint64_t t = now_ns();
  c->busy = 0;
  if (opt.rate > 0) {
    if (waiting_head < waiting_tail) begin(c, waiting[waiting_head++]);
    else idle[idle_n++] = c - conns;
  } else if (t < end_at && more_wanted()) {
    begin(c, t);
  }
}

static void judge(Conn *c, int whole) {
  if (c->status && (c->status < 200 || c->status > 299)) {
    count.refused_status++;
    if (!count.first_bad) count.first_bad = c->status;
  } else if (!whole || c->events < opt.least_events) {
    count.cut++;
  } else if (c->body_bytes < opt.least) {
    count.short_++;
  } else {
    count.done++;
    keep(&latency, (now_ns() - c->due) / 1000.0);
  }
}

static void finish(Conn *c) {
  judge(c, 1);
  if (c->close_after) {
    hang_up(c);
    dial(c);
  }
  next(c);
}

static void end_of_line(Conn *c) {
  if (c->line_len >= 5 && !memcmp(c->line, "data:", 5)) {
    count.events++;
    c->events++;
  }
  c->line_len = 0;
}

static void scan_event(Conn *c, char ch, uint64_t t) {
  if (ch == '\n') end_of_line(c);
  else if (c->line_len < (int)sizeof c->line) c->line[c->line_len++] = ch;
  if (c->age_scan == DIGITS && ch >= '0' && ch <= '9') {
    c->stamp = c->stamp * 10 + (ch - '0');
    return;
  }
  if (c->age_scan == DIGITS && c->stamp > 1000000000ull && t > c->stamp) keep(&age, (t - c->stamp) / 1000.0);
  if (c->age_scan == SEEK_EQUALS && ch == '=') {
    c->age_scan = DIGITS;
    c->stamp = 0;
    return;
  }
  c->age_scan = ch == 't' ? SEEK_EQUALS : SEEK_T;
}

static void take_body(Conn *c, const char *p, long n, uint64_t t) {
  if (!n) return;
  if (!c->body_bytes) keep(&first_byte, (t - c->due) / 1000.0);
  c->body_bytes += n;
  count.bytes += n;
  if (opt.least_events)
    for (long i = 0; i < n; i++) scan_event(c, p[i], t);
}

static void read_head_line(Conn *c, const char *line, int *chunked) {
  if (!strncasecmp(line, "content-length:", 15)) c->left = atol(line + 15);
  else if (!strncasecmp(line, "transfer-encoding:", 18)) *chunked = 1;
  else if (!strncasecmp(line, "connection: close", 17)) c->close_after = 1;
}

/* Returns how many bytes of `p` belong to the head. */
static long take_head(Conn *c, const char *p, long n) {
  int before = c->head_len, chunked = 0;
  if (n > MAX_HEAD - 1 - before) n = MAX_HEAD - 1 - before;
  memcpy(c->head + before, p, n);
  c->head_len += n;
  c->head[c->head_len] = 0;
  char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
  if (!end) return n ? n : -1;
  long used = end + 4 - c->head - before;
  end[2] = 0;
  c->status = c->head_len > 9 ? atoi(c->head + 9) : 0;
  c->left = -1;
  for (char *line = strstr(c->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) read_head_line(c, line + 2, &chunked);
  if (c->status == 100) c->head_len = 0;
  else if (chunked) c->reading = CHUNK_SIZE;
  else if (c->left == 0) finish(c);
  else {
    c->until_close = c->left < 0;
    c->reading = BODY;
  }
  return used;
}

static void take_size_byte(Conn *c, char ch) {
  if (ch != '\n') {
    if (c->size_len < (int)sizeof c->size - 1) c->size[c->size_len++] = ch;
    return;
  }
  c->size[c->size_len] = 0;
  c->size_len = 0;
  c->left = strtol(c->size, NULL, 16);
  c->reading = c->left ? CHUNK_DATA : TRAILER;
}

static void take_trailer_byte(Conn *c, char ch) {
  if (ch != '\n') c->trailer_len += ch != '\r';
  else if (c->trailer_len) c->trailer_len = 0;
  else finish(c);
}

static long take_part(Conn *c, const char *p, long n, uint64_t t) {
  if (!c->until_close && n > c->left) n = c->left;
  take_body(c, p, n, t);
  if (c->until_close) return n;
  c->left -= n;
  if (!c->left && c->reading == BODY) finish(c);
  else if (!c->left) c->reading = CHUNK_END;
  return n;
}

/* Returns 0 where the answer is no HTTP that can be followed. */
static int feed(Conn *c, const char *p, long n) {
  uint64_t t = now_ns();
  for (long i = 0; i < n && c->busy;) {
    uint64_t call = issued;
    switch (c->reading) {
    case HEAD: {
      long used = take_head(c, p + i, n - i);
      if (used < 0) return 0;
      i += used;
      break;
    }
    case BODY:
    case CHUNK_DATA: i += take_part(c, p + i, n - i, t); break;
    case CHUNK_SIZE: take_size_byte(c, p[i++]); break;
    case CHUNK_END: if (p[i++] == '\n') c->reading = CHUNK_SIZE; break;
    case TRAILER: take_trailer_byte(c, p[i++]); break;
    }
    if (call != (uint64_t)issued) return 1; /* the answer has ended and the next call is out: nothing can be left over */
  }
  return 1;
}

static void lost(Conn *c) {
  int was_busy = c->busy;
  hang_up(c);
  if (was_busy) judge(c, c->reading == BODY && c->until_close);
  dial(c);
  if (was_busy) next(c);
}

static void serve(Conn *c, uint32_t events) {
  static char buffer[262144];
  if (events & EPOLLOUT) {
    push(c);
    if (c->sent == request_len) watch(c, EPOLL_CTL_MOD, EPOLLIN);
  }
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0 || !feed(c, buffer, n)) lost(c);
}

static int busy_conns(void) {
  int n = 0;
  for (int i = 0; i < opt.connections; i++) n += conns[i].busy;
  return n;
}

/* Open loop: starts every call that is due and returns the ns until the next one. */
static long start_due(uint64_t began, long *scheduled) {
  for (;;) {
    uint64_t due = began + (uint64_t)(*scheduled * 1e9 / opt.rate), t = now_ns();
    if (due >= end_at) return 100000000;
    if (due > t) return due - t < 100000000 ? (long)(due - t) : 100000000;
    ++*scheduled;
    if (idle_n) begin(&conns[idle[--idle_n]], due);
    else if (waiting_tail < waiting_room) waiting[waiting_tail++] = due;
  }
}

static uint64_t run(uint64_t began) {
  struct epoll_event ready[256];
  uint64_t hard_end = end_at + GRACE_NS, last = began;
  long scheduled = 0;
  for (int i = 0; i < opt.connections && end_at; i++) {
    if (opt.rate > 0) idle[idle_n++] = i;
    else if (more_wanted()) begin(&conns[i], now_ns());
  }
  while (now_ns() < hard_end && !count.unreachable) {
    struct timespec pause = {0, opt.rate > 0 ? start_due(began, &scheduled) : 100000000};
    if (!busy_conns() && (opt.rate <= 0 || now_ns() >= end_at)) break;
    int n = epoll_pwait2(poll_fd, ready, 256, &pause, NULL);
    for (int i = 0; i < n; i++) serve(ready[i].data.ptr, ready[i].events);
    if (n > 0) last = now_ns();
  }
  count.hung = busy_conns() + (waiting_tail - waiting_head);
  return last;
}

static void report(double seconds) {
  Samples *all[] = {&latency, &first_byte, &age};
  for (int i = 0; i < 3; i++) qsort(all[i]->at, all[i]->n, sizeof(float), ascending);
  printf("{\"done\":%ld,\"refused\":%ld,\"first_bad_status\":%d,\"cut\":%ld,\"short\":%ld,\"hung\":%ld,\"unreachable\":%ld,",
         count.done, count.refused_status, count.first_bad, count.cut, count.short_, count.hung, count.unreachable);
  printf("\"seconds\":%.4f,\"events\":%ld,\"bytes\":%ld,\"p50_us\":%.1f,\"p99_us\":%.1f,", seconds, count.events,
         count.bytes, quantile(&latency, .5), quantile(&latency, .99));
  printf("\"first_byte_p50_us\":%.1f,\"age_p50_us\":%.1f,\"age_p99_us\":%.1f}\n", quantile(&first_byte, .5),
         quantile(&age, .5), quantile(&age, .99));
}

static void read_request(const char *name) {
  FILE *f = fopen(name, "rb");
  if (!f || fseek(f, 0, SEEK_END)) exit(2);
  request_len = ftell(f);
  rewind(f);
  request = malloc(request_len);
  if (fread(request, 1, request_len, f) != (size_t)request_len) exit(2);
  fclose(f);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  for (int o; (o = getopt(argc, argv, "p:f:c:d:r:n:m:e:")) > 0;) switch (o) {
    case 'p': opt.port = atoi(optarg); break;
    case 'f': read_request(optarg); break;
    case 'c': opt.connections = atoi(optarg); break;
    case 'd': opt.seconds = atof(optarg); break;
    case 'r': opt.rate = atof(optarg); break;
    case 'n': opt.calls = atol(optarg); break;
    case 'm': opt.least = atol(optarg); break;
    case 'e': opt.least_events = atoi(optarg); break;
    default: return 2;
    }
  poll_fd = epoll_create1(0);
  conns = calloc(opt.connections, sizeof *conns);
  idle = calloc(opt.connections, sizeof *idle);
  waiting_room = (long)(opt.rate * opt.seconds) + 16;
  waiting = calloc(waiting_room, sizeof *waiting);
  end_at = now_ns() + (uint64_t)(opt.seconds * 1e9);
  for (int i = 0; i < opt.connections && end_at; i++) dial(&conns[i]);
  uint64_t began = now_ns();
  if (end_at) end_at = began + (uint64_t)(opt.seconds * 1e9);
  report((run(began) - began) / 1e9);
  return 0;
}
