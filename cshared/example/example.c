/* Signs a request and verifies it, over tallystick.h alone. Build: see the target
 * `c-example` of the Makefile. Exit status 0 when the request was accepted once
 * and refused the second time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tallystick.h"

/* Runs one operation; the answer becomes a C string that the caller frees. */
static char *call(const char *op, const char *request, const char *body) {
    size_t length;
    char *answer = tally_call(op, strlen(op), request, strlen(request), body, strlen(body), &length);
    char *text = malloc(length + 1);
    if (text == NULL) exit(2);
    memcpy(text, answer, length);
    text[length] = '\0';
    tally_free(answer);
    return text;
}

/* Copies the string member `name` as it stands in the JSON, escapes and all. */
static char *member(const char *json, const char *name) {
    char key[64];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *start = strstr(json, key);
    if (start == NULL) { fprintf(stderr, "no %s in %s\n", name, json); exit(2); }
    start += strlen(key);
    return strndup(start, strcspn(start, "\""));
}

int main(void) {
    if (tally_abi_version() != TALLY_ABI_VERSION) return 2;
    const char *body = "{\"query\":\"What movies are playing?\"}";
    char request[16384];

    char *pair = call("key.generate", "{}", "");
    char *private_pem = member(pair, "private_pem"), *public_pem = member(pair, "public_pem");
    snprintf(request, sizeof request,
             "{\"verifier\":{\"keys\":{\"orchestrator\":\"%s\"}},\"signer\":{\"issuer\":\"orchestrator\",\"private_key\":\"%s\"}}",
             public_pem, private_pem);
    char *opened = call("engine.open", request, "");

    snprintf(request, sizeof request, "{\"engine\":1,\"now\":%ld,\"method\":\"POST\",\"url\":\"https://agent.example/agent\"}", (long)time(NULL));
    char *signed_request = call("request.sign", request, body);
    char *authorization = member(signed_request, "authorization");

    snprintf(request, sizeof request,
             "{\"engine\":1,\"now\":%ld,\"authorization\":[\"%s\"],\"method\":\"POST\",\"path\":\"/agent\"}", (long)time(NULL), authorization);
    char *first = call("request.verify", request, body), *second = call("request.verify", request, body);
    int as_expected = strncmp(first, "{\"ok\":", 6) == 0 && strstr(second, "replay_detected") != NULL;
    printf("first:  %.60s...\nsecond: %.60s...\n", first, second);

    char *closed = call("engine.close", "{\"engine\":1}", "");
    free(pair), free(private_pem), free(public_pem), free(opened), free(signed_request);
    free(authorization), free(first), free(second), free(closed);
    return as_expected ? 0 : 1;
}
