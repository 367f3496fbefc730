/* dialects: events of other services than OpenAI, each written to `to`; returns its length.
 *
 * `at` counts events: those before `events` have content, three more end the answer.  What opens an answer stands before
 * its first content, in one piece with it.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum dialect { OPENAI, ANTHROPIC, BEDROCK };

#define TYPED(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

static int anthropic_event(char *to, int at, int events, uint64_t now) {
  int n = 0;
  if (at == 0)
    n = sprintf(to, TYPED("message_start",
                          ",\"message\":{\"id\":\"msg_01AbCdEfGhIjKlMnOpQrStUv\",\"type\":\"message\","
                          "\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\",\"content\":[],"
                          "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":19,"
                          "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}")
                        TYPED("content_block_start",
                              ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"));
  if (at < events)
    return n + sprintf(to + n, TYPED("content_block_delta",
                                     ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" t=%llu \"}"),
                       (unsigned long long)now);
  if (at == events) return sprintf(to, TYPED("content_block_stop", ",\"index\":0"));
  if (at == events + 1)
    return sprintf(to, TYPED("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                                              "\"usage\":{\"output_tokens\":%d}"), events);
  return sprintf(to, TYPED("message_stop", ""));
}

static uint32_t crc32_of(const char *p, int n) {
  uint32_t crc = ~0u;
  for (int i = 0; i < n; i++) {
    crc ^= (uint8_t)p[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

static int put32(char *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = value >> (24 - 8 * i);
  return 4;
}

static int frame_field(char *to, const char *name, const char *value) {
  int n = sprintf(to + 1, "%s", name), length = strlen(value);
  to[0] = n;
  to[n + 1] = 7;
  to[n + 2] = 0;
  to[n + 3] = length;
  memcpy(to + n + 4, value, length);
  return n + 4 + length;
}

static int frame(char *to, const char *type, const char *payload) {
  int n = 12, length = strlen(payload);
  n += frame_field(to + n, ":event-type", type);
  n += frame_field(to + n, ":content-type", "application/json");
  n += frame_field(to + n, ":message-type", "event");
  put32(to, n + length + 4);
  put32(to + 4, n - 12);
  put32(to + 8, crc32_of(to, 8));
  memcpy(to + n, payload, length);
  return n + length + put32(to + n + length, crc32_of(to, n + length));
}

static int bedrock_event(char *to, int at, int events, uint64_t now) {
  char payload[256];
  int n = at == 0 ? frame(to, "messageStart", "{\"p\":\"abcdefghijkl\",\"role\":\"assistant\"}") : 0;
  if (at < events) {
    sprintf(payload, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\" t=%llu \"},\"p\":\"abcdefghijklmnopqrst\"}",
            (unsigned long long)now);
    return n + frame(to + n, "contentBlockDelta", payload);
  }
  if (at == events) return frame(to, "contentBlockStop", "{\"contentBlockIndex\":0,\"p\":\"abc\"}");
  if (at == events + 1) return frame(to, "messageStop", "{\"p\":\"abcdef\",\"stopReason\":\"end_turn\"}");
  sprintf(payload, "{\"metrics\":{\"latencyMs\":512},\"p\":\"ab\",\"usage\":{\"inputTokens\":19,\"outputTokens\":%d,"
                   "\"totalTokens\":%d}}", events, 19 + events);
  return frame(to, "metadata", payload);
}

#define SAID \
  "Paris is the capital of France. It lies on the Seine and has about two million inhabitants in the city proper. " \
  "Its best known sights are the Louvre, the cathedral of Notre-Dame and the tower that Gustave Eiffel built."

static const char *const WHOLE[] = {
    "",
    "{\"id\":\"msg_01AbCdEfGhIjKlMnOpQrStUv\",\"type\":\"message\",\"role\":\"assistant\","
    "\"model\":\"claude-sonnet-4-5-20250929\",\"content\":[{\"type\":\"text\",\"text\":\"" SAID "\"}],"
    "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":19,\"output_tokens\":24}}",
    "{\"metrics\":{\"latencyMs\":512},\"output\":{\"message\":{\"content\":[{\"text\":\"" SAID "\"}],"
    "\"role\":\"assistant\"}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":19,\"outputTokens\":24,"
    "\"totalTokens\":43}}",
};
