/*
 * driver.c - the leg "c" of the conformance suite: questions on standard input,
 * answers of libtallystick on standard output, one JSON object a line.
 *
 * conformance/DRIVERS.md describes the exchange. Its members come in a fixed
 * order, without spaces, and everything that could need unescaping is base64, so
 * a line is read from left to right without a JSON library.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tallystick.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void die(const char *why)
{
    fprintf(stderr, "driver.c: %s\n", why);
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = malloc(size + 1); /* malloc(0) may be NULL */
    if (memory == NULL)
        die("out of memory");
    return memory;
}

/* A piece of the line, or bytes that were decoded. */
struct text {
    const char *at;
    size_t length;
};

/* Steps over a literal at *line. */
static void expect(const char **line, const char *literal)
{
    size_t length = strlen(literal);
    if (strncmp(*line, literal, length) != 0)
        die("a line is not of the exchange's form");
    *line += length;
}

/* Takes everything up to the next quote. */
static struct text until_quote(const char **line)
{
    const char *end = strchr(*line, '"');
    if (end == NULL)
        die("a string does not end");
    struct text found = {*line, (size_t)(end - *line)};
    *line = end + 1;
    return found;
}

static unsigned value_of(char c)
{
    const char *found = c == '\0' ? NULL : strchr(alphabet, c);
    if (found == NULL)
        die("a character is not base64");
    return (unsigned)(found - alphabet);
}

/* Decodes padded base64 into memory that the caller frees. */
static struct text decode(struct text encoded)
{
    if (encoded.length % 4 != 0)
        die("base64 of a wrong length");
    size_t length = encoded.length / 4 * 3;
    unsigned char *bytes = allocate(length), *out = bytes;
    for (size_t i = 0; i < encoded.length; i += 4) {
        const char *in = encoded.at + i;
        int last = i + 4 == encoded.length;
        int padding = !last || in[3] != '=' ? 0 : in[2] == '=' ? 2 : 1;
        unsigned group = value_of(in[0]) << 18 | value_of(in[1]) << 12;
        group |= padding > 1 ? 0 : value_of(in[2]) << 6;
        group |= padding > 0 ? 0 : value_of(in[3]);
        *out++ = (unsigned char)(group >> 16);
        *out++ = (unsigned char)(group >> 8);
        *out++ = (unsigned char)group;
        length -= (size_t)padding;
    }
    return (struct text){(char *)bytes, length};
}

static void print_base64(const char *bytes, size_t length)
{
    const unsigned char *in = (const unsigned char *)bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        unsigned group = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        putchar(alphabet[group >> 18]);
        putchar(alphabet[group >> 12 & 63]);
        putchar(left > 1 ? alphabet[group >> 6 & 63] : '=');
        putchar(left > 2 ? alphabet[group & 63] : '=');
    }
}

/* Answers one line: {"id":1,"op":"version","request":"e30=","body":""} */
static void answer(const char *line)
{
    expect(&line, "{\"id\":");
    char *end;
    unsigned long id = strtoul(line, &end, 10);
    line = end;
    expect(&line, ",\"op\":\"");
    struct text op = until_quote(&line);
    expect(&line, ",\"request\":\"");
    struct text request = decode(until_quote(&line));
    expect(&line, ",\"body\":\"");
    struct text body = decode(until_quote(&line));

    size_t length = 0;
    char *said = tally_call(op.at, op.length, request.at, request.length, body.at, body.length, &length);
    printf("{\"id\":%lu,\"answer\":\"", id);
    print_base64(said, length);
    puts("\"}");
    fflush(stdout);

    tally_free(said);
    free((void *)request.at);
    free((void *)body.at);
}

int main(void)
{
    if (tally_abi_version() != TALLY_ABI_VERSION)
        die("the library has another ABI version than the header");
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0)
        answer(line);
    free(line);
    return 0;
}
