/* provider: a fake OpenAI-compatible service, or by the path of a call Anthropic's Messages API or Bedrock's Converse.
 * One thread, epoll; listens on a free loopback port and prints it.
 *
 * A call streams where its body has "stream":true, or its path says so.  A marker anywhere in the body (in a message, so that any gateway
 * passes it on) says how to answer, in this order, each part optional from the right:
 *
 *   [[d=DELAY_US,g=GAP_US,n=EVENTS,r=BYTES]]        default [[d=0,g=0,n=64,r=0]]
 *
 * DELAY_US before the answer or the first event, GAP_US between events (0: each event its own write, back to back),
 * EVENTS with content in a stream (then finish, usage and [DONE]), BYTES that a plain answer is padded to at least.
 * Every content event carries "t=<CLOCK_MONOTONIC ns>", so that a client on the same machine can tell its age.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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

#include "dialects.h"

#define READ_AT_LEAST 65536
#define MAX_REPLY 67108864

enum work { NOTHING, PLAIN, STREAM };

typedef struct {
  char *at;
  long len, room;
} Bytes;

typedef struct {
  int fd, gone, timed;
  enum work work;
  enum dialect dialect;
  long delay_us, gap_us, reply_bytes;
  int events, event; /* how many with content; which is next */
  uint64_t due;
  Bytes in, out;
  long out_sent;
  long head, body; /* of the call being read: length of its head (0: not whole yet), of its body (-1: chunked) */
  long searched;   /* chunked: up to where the end was looked for */
} Conn;

static int poll_fd;
static Conn **timers; /* a heap by due time */
static int timer_n, timer_room;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void reserve(Bytes *b, long more) {
  if (b->len + more <= b->room) return;
  b->room = (b->len + more) * 2;
  b->at = realloc(b->at, b->room);
}

static void append(Bytes *b, const char *p, long n) {
  reserve(b, n);
  memcpy(b->at + b->len, p, n);
  b->len += n;
}

/* ---- timers ---- */

static void set_timer(Conn *c, uint64_t due) {
  c->due = due;
  c->timed = 1;
  if (timer_n == timer_room) {
    timer_room = timer_room ? timer_room * 2 : 256;
    timers = realloc(timers, timer_room * sizeof *timers);
  }
  int i = timer_n++;
  for (; i && timers[(i - 1) / 2]->due > due; i = (i - 1) / 2) timers[i] = timers[(i - 1) / 2];
  timers[i] = c;
}

static Conn *pop_timer(void) {
  Conn *first = timers[0], *last = timers[--timer_n];
  int i = 0;
  for (int child; (child = 2 * i + 1) < timer_n; i = child) {
    if (child + 1 < timer_n && timers[child + 1]->due < timers[child]->due) child++;
    if (timers[child]->due >= last->due) break;
    timers[i] = timers[child];
  }
  if (timer_n) timers[i] = last;
  first->timed = 0;
  return first;
}

/* ---- writing ---- */

static void watch(Conn *c, uint32_t events) {
  struct epoll_event e = {events, {.ptr = c}};
  epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static long try_send(Conn *c, const char *p, long n) {
  ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) c->gone = 1;
  return sent < 0 ? 0 : sent;
}

static void flush(Conn *c) {
  c->out_sent += try_send(c, c->out.at + c->out_sent, c->out.len - c->out_sent);
  if (c->out_sent < c->out.len) return;
  c->out.len = c->out_sent = 0;
  watch(c, EPOLLIN);
}

static void put(Conn *c, const char *p, long n) {
  long sent = c->out.len ? 0 : try_send(c, p, n);
  if (sent == n || c->gone) return;
  append(&c->out, p + sent, n - sent);
  watch(c, EPOLLIN | EPOLLOUT);
}

/* ---- answers ---- */

static const char PLAIN_OPENS[] =
    "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\",\"object\":\"chat.completion\",\"created\":1763000000,"
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\""
    "Paris is the capital of France. It lies on the Seine and has about two million inhabitants in the city proper.";
static const char PLAIN_CLOSES[] =
    "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":24,\"total_tokens\":43,"
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0}},"
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\"}";
static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    "Transfer-Encoding: chunked\r\nx-request-id: req_0123456789\r\n\r\n";
static const char FRAMES_HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n"
    "x-amzn-RequestId: 0123456789\r\n\r\n";
static const char CHUNK_OPENS[] =
    "data: {\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\",\"object\":\"chat.completion.chunk\","
    "\"created\":1763000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\","
    "\"system_fingerprint\":\"fp_0123456789\",\"choices\":";

/* Answers are made once per size: the provider must cost next to nothing beside the gateway. */
static const Bytes *plain_answer(long padding) {
  static Bytes answer;
  static long made_for = -1;
  if (padding == made_for) return &answer;
  char head[256];
  long body = sizeof PLAIN_OPENS - 1 + padding + sizeof PLAIN_CLOSES - 1;
  int n = sprintf(head,
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_0123456789\r\n"
                  "Content-Length: %ld\r\n\r\n",
                  body);
  answer.len = 0;
  append(&answer, head, n);
  append(&answer, PLAIN_OPENS, sizeof PLAIN_OPENS - 1);
  reserve(&answer, padding);
  memset(answer.at + answer.len, 'x', padding);
  answer.len += padding;
  append(&answer, PLAIN_CLOSES, sizeof PLAIN_CLOSES - 1);
  made_for = padding;
  return &answer;
}

static int event_json(const Conn *c, char *to) {
  if (c->event < c->events)
    return sprintf(to,
                   "%s[{\"index\":0,\"delta\":{%s\"content\":\" t=%llu \"},\"logprobs\":null,\"finish_reason\":null}],"
                   "\"usage\":null}\n\n",
                   CHUNK_OPENS, c->event ? "" : "\"role\":\"assistant\",", (unsigned long long)now_ns());
  if (c->event == c->events)
    return sprintf(to, "%s[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
                   CHUNK_OPENS);
  if (c->event == c->events + 1)
    return sprintf(to, "%s[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
                   CHUNK_OPENS, c->events, 19 + c->events);
  return sprintf(to, "data: [DONE]\n\n");
}

static void put_event(Conn *c) {
  char json[1024], framed[1100];
  int n = c->dialect == ANTHROPIC ? anthropic_event(json, c->event, c->events, now_ns())
          : c->dialect == BEDROCK ? bedrock_event(json, c->event, c->events, now_ns())
                                  : event_json(c, json);
  int len = sprintf(framed, "%x\r\n", n);
  memcpy(framed + len, json, n);
  len += n;
  len += sprintf(framed + len, "\r\n%s", c->event == c->events + 2 ? "0\r\n\r\n" : "");
  put(c, framed, len);
  c->event++;
}

static void put_events(Conn *c) {
  if (c->event == 0 && c->dialect == BEDROCK) put(c, FRAMES_HEAD, sizeof FRAMES_HEAD - 1);
  else if (c->event == 0) put(c, STREAM_HEAD, sizeof STREAM_HEAD - 1);
  while (!c->gone && c->event < c->events + 3) {
    put_event(c);
    /* Finish, usage and [DONE] follow the last content at once, as providers send them. */
    if (c->gap_us && c->event <= c->events) {
      set_timer(c, c->due + c->gap_us * 1000);
      return;
    }
  }
  c->work = NOTHING;
}

static void put_plain(Conn *c) {
  long bare = sizeof PLAIN_OPENS + sizeof PLAIN_CLOSES - 2;
  const Bytes *answer = plain_answer(c->reply_bytes > bare ? c->reply_bytes - bare : 0);
  put(c, answer->at, answer->len);
  c->work = NOTHING;
}

static void put_other_plain(Conn *c) {
  char answer[1024];
  const char *json = WHOLE[c->dialect];
  put(c, answer, sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         strlen(json), json));
  c->work = NOTHING;
}

static void answer(Conn *c) {
  if (c->work == STREAM) put_events(c);
  else if (c->dialect != OPENAI) put_other_plain(c);
  else put_plain(c);
}

/* ---- calls ---- */

static void read_marker(Conn *c, const char *body, long n) {
  c->delay_us = c->gap_us = c->reply_bytes = 0;
  c->events = 64;
  const char *marker = memmem(body, n, "[[d=", 4);
  if (marker) sscanf(marker, "[[d=%ld,g=%ld,n=%d,r=%ld", &c->delay_us, &c->gap_us, &c->events, &c->reply_bytes);
  if (c->reply_bytes > MAX_REPLY) c->reply_bytes = MAX_REPLY;
}

static int read_head(Conn *c) {
  char *end = memmem(c->in.at, c->in.len, "\r\n\r\n", 4);
  if (!end) return 0;
  c->head = end + 4 - c->in.at;
  c->body = 0;
  for (char *line = c->in.at; line < end; line = (char *)memmem(line, end + 2 - line, "\r\n", 2) + 2) {
    if (!strncasecmp(line, "content-length:", 15)) c->body = atol(line + 15);
    if (!strncasecmp(line, "transfer-encoding:", 18)) c->body = -1;
  }
  c->searched = c->head - 2;
  return 1;
}

/* Length of the whole call, or 0 while some of it is missing. */
static long whole_call(Conn *c) {
  if (!c->head && !read_head(c)) return 0;
  if (c->body >= 0) return c->in.len >= c->head + c->body ? c->head + c->body : 0;
  char *end = memmem(c->in.at + c->searched, c->in.len - c->searched, "\r\n0\r\n\r\n", 7);
  if (end) return end + 7 - c->in.at;
  if (c->in.len - 6 > c->searched) c->searched = c->in.len - 6;
  return 0;
}

static void take_calls(Conn *c) {
  for (long len; c->work == NOTHING && !c->gone && c->in.len && (len = whole_call(c));) {
    const char *body = c->in.at + c->head;
    long n = len - c->head;
    int streams = memmem(body, n, "\"stream\":true", 13) || memmem(body, n, "\"stream\": true", 14);
    read_marker(c, body, n);
    const char *line_end = memmem(c->in.at, c->head, "\r\n", 2);
    long line = line_end - c->in.at;
    c->dialect = memmem(c->in.at, line, "/messages ", 10) ? ANTHROPIC
                 : memmem(c->in.at, line, "/converse", 9) ? BEDROCK
                                                          : OPENAI;
    streams = streams || memmem(c->in.at, line, "/converse-stream ", 17);
    memmove(c->in.at, c->in.at + len, c->in.len - len);
    c->in.len -= len;
    c->head = 0;
    c->work = streams ? STREAM : PLAIN;
    c->event = 0;
    c->due = now_ns();
    if (c->delay_us) set_timer(c, c->due + c->delay_us * 1000);
    else answer(c);
  }
}

static void read_more(Conn *c) {
  reserve(&c->in, READ_AT_LEAST);
  ssize_t n = recv(c->fd, c->in.at + c->in.len, c->in.room - c->in.len, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    c->gone = 1;
    return;
  }
  c->in.len += n;
  take_calls(c);
}

static void forget_if_gone(Conn *c) {
  if (!c->gone || c->timed) return; /* a timer still points here */
  close(c->fd);
  free(c->in.at);
  free(c->out.at);
  free(c);
}

static void serve(Conn *c, uint32_t events) {
  if (c->gone) return;
  if (events & EPOLLOUT) flush(c);
  if (!c->gone && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_more(c);
  if (c->gone) epoll_ctl(poll_fd, EPOLL_CTL_DEL, c->fd, NULL);
  forget_if_gone(c);
}

static void run_timers(void) {
  while (timer_n && timers[0]->due <= now_ns()) {
    Conn *c = pop_timer();
    if (!c->gone) {
      answer(c);
      take_calls(c);
      if (c->gone) epoll_ctl(poll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    }
    forget_if_gone(c);
  }
}

static void accept_all(int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    struct epoll_event e = {EPOLLIN, {.ptr = c}};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
  }
}

static int listen_somewhere(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096) || getsockname(fd, (void *)&at, &size)) {
    perror("provider");
    exit(1);
  }
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  return fd;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  poll_fd = epoll_create1(0);
  int listener = listen_somewhere();
  struct epoll_event listening = {EPOLLIN, {.ptr = &listener}}, ready[256];
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &listening);
  for (;;) {
    run_timers();
    uint64_t t = now_ns(), wait = timer_n && timers[0]->due > t ? timers[0]->due - t : 0;
    struct timespec pause = {wait / 1000000000ull, wait % 1000000000ull};
    int n = epoll_pwait2(poll_fd, ready, 256, timer_n ? &pause : NULL, NULL);
    for (int i = 0; i < n; i++) {
      if (ready[i].data.ptr == &listener) accept_all(listener);
      else serve(ready[i].data.ptr, ready[i].events);
    }
  }
}
