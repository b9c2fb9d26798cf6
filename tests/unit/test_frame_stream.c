/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frame Streams, written as letters, that come in pieces of any size. */
#include "capture/frame_stream.h"

#include "testing.h"

#include "capture/format.h"
#include "net/dnstap.h"

enum { ACCEPT = 1, START, STOP, READY, FINISH };
enum { STREAM_MAX = 4 * FRAME_STREAM_FRAME_MAX };

static const char dnstap[] = "protobuf:dnstap.Dnstap", other[] = "protobuf:dnstap.Dnstaq";
static uint8_t space[STREAM_MAX];
static struct writer out;

static void put_content(const char *type, uint32_t field)
{
    write_be32(&out, field);
    write_be32(&out, (uint32_t)strlen(type));
    write_bytes(&out, type, strlen(type));
}

static void put_control(uint32_t type, const char *content, uint32_t field)
{
    write_be32(&out, 0);
    write_be32(&out, content ? 12 + (uint32_t)strlen(content) : 4);
    write_be32(&out, type);
    if (content)
        put_content(content, field);
}

static void put_frame(uint32_t len)
{
    write_be32(&out, len);
    write_zeros(&out, len);
}

/* A control frame of a length that it says, whatever it holds. */
static void put_length(uint32_t len, uint32_t type)
{
    write_be32(&out, 0);
    write_be32(&out, len);
    write_be32(&out, type);
    write_zeros(&out, 512);
}

static const struct {
    char letter;
    uint32_t type;
    const char *content;
    uint32_t field;
} controls[] = {
    {'R', READY, dnstap, 1}, {'r', READY, other, 1},   {'o', READY, NULL, 0},  {'S', START, dnstap, 1},
    {'s', START, other, 1},  {'n', START, NULL, 0},    {'u', START, other, 2}, /* a field that is not known */
    {'T', STOP, NULL, 0},    {'A', ACCEPT, dnstap, 1}, {'F', FINISH, NULL, 0}, {'6', 6, NULL, 0},
};

/* One of two content types is ours. */
static void put_both_contents(void)
{
    write_be32(&out, 0);
    write_be32(&out, 4 + 2 * (8 + 22));
    write_be32(&out, READY);
    put_content(other, 1);
    put_content(dnstap, 1);
}

/* A field that ends with its frame. */
static void put_cut_content(void)
{
    write_be32(&out, 0);
    write_be32(&out, 4 + 8 + 3);
    write_be32(&out, START);
    write_be32(&out, 1);
    write_be32(&out, 22);
    write_bytes(&out, "pro", 3);
}

static void put(char letter)
{
    for (size_t i = 0; i < LEN(controls); i++)
        if (controls[i].letter == letter)
            put_control(controls[i].type, controls[i].content, controls[i].field);
    if (letter == 'b')
        put_both_contents();
    if (letter == 't')
        put_cut_content();
    if (letter == 'f')
        put_frame(1);
    if (letter == 'L')
        put_frame(FRAME_STREAM_FRAME_MAX);
    if (letter == 'X')
        write_be32(&out, FRAME_STREAM_FRAME_MAX + 1);
    if (letter == 'Y')
        write_be32(&out, UINT32_MAX);
    if (letter == '0')
        put_length(0, 0);
    if (letter == '3')
        put_length(3, 0);
    if (letter == '5')
        put_length(513, START);
    if (letter == 'g')
        write_bytes(&out, "GET / HTTP/1.0\r\n", 16);
    if (letter == '-')
        out.at--; /* the last byte is missing */
}

struct seen {
    unsigned frames;
    bool is_broken;
    bool is_ended;
    size_t left; /* bytes that were not used */
    char answers[8];
    struct error why;
};

/* The answers that are waiting, as letters. */
static void take_answers(struct frame_stream *s, char *letters)
{
    uint8_t bytes[FRAME_STREAM_REPLY_MAX];
    size_t len, used = strlen(letters);
    while ((len = frame_stream_answer(s, bytes)) > 0) {
        bool is_accept = bytes[11] == ACCEPT;
        assert_int_equal(len, is_accept ? 42 : 12);
        assert_int_equal(load_be32(bytes), 0);
        assert_int_equal(load_be32(bytes + 4), len - 8);
        assert_true(is_accept || bytes[11] == FINISH);
        if (is_accept)
            assert_memory_equal(bytes + 20, dnstap, 22);
        letters[used++] = is_accept ? 'A' : 'F';
    }
}

/* The bytes in pieces, each time in an allocation of the size of what is at hand. */
static void read_in_pieces(const uint8_t *bytes, size_t len, size_t piece, int max, struct seen *seen)
{
    struct frame_stream s = {0};
    struct packet packets[8];
    size_t start = 0, end = 0;
    memset(seen, 0, sizeof(*seen));
    while (end < len && !seen->is_broken) {
        int count;
        end = len - end < piece ? len : end + piece;
        do {
            uint64_t used = 0;
            uint8_t *copy = exact_copy(bytes + start, end - start);
            count = frame_stream_lend(&s, copy, end - start, packets, max, &used, &seen->why);
            assert_true(count <= max && used <= end - start);
            for (int i = 0; i < count; i++)
                assert_true(packets[i].link_type == NET_LINK_DNSTAP && packets[i].bytes >= copy &&
                            packets[i].bytes + packets[i].captured_len <= copy + used);
            free(copy);
            take_answers(&s, seen->answers);
            start += (size_t)used;
            seen->is_broken = count == LEND_BROKEN;
            seen->frames += count > 0 ? (unsigned)count : 0;
        } while (count > 0);
    }
    seen->is_ended = s.is_ended;
    seen->left = len - start;
}

static const struct row {
    const char *letters;
    unsigned frames;
    const char *why; /* NULL: it is right, as far as it goes */
    const char *answers;
    bool is_ended;
} rows[] = {
    {"SfT", 1, NULL, "", false},
    {"Sfff", 3, NULL, "", false},
    {"SLLT", 2, NULL, "", false},
    {"ST", 0, NULL, "", false},
    {"nfT", 1, NULL, "", false},
    {"ufT", 1, NULL, "", false},
    {"RSffT", 2, NULL, "AF", true},
    {"oSfT", 1, NULL, "AF", true},
    {"bSfT", 1, NULL, "AF", true},
    {"R", 0, NULL, "A", false},
    /* several streams, one behind the other */
    {"SfTSffT", 3, NULL, "", false},
    {"SfTSfTSfTST", 3, NULL, "", false},
    {"SfTRSfT", 2, NULL, "AF", true},
    {"RSfTSfT", 1, "behind the end", "AF", true},
    {"RSfTRSfT", 1, "behind the end", "AF", true},
    {"RSfTg", 1, "behind the end", "AF", true},
    /* what makes no sense */
    {"sfT", 0, "something else", "", false},
    {"rSfT", 0, "something else", "", false},
    {"tf", 0, "something else", "", false},
    {"SfTsfT", 1, "something else", "", false},
    {"SS", 0, "starts twice", "", false},
    {"SR", 0, "starts twice", "", false},
    {"RR", 0, "starts twice", "A", false},
    {"SfSfT", 1, "starts twice", "", false},
    {"T", 0, "before its start", "", false},
    {"RT", 0, "before its start", "A", false},
    {"SfTT", 1, "before its start", "", false},
    {"f", 0, "before the start", "", false},
    {"Rf", 0, "before the start", "A", false},
    {"SfTf", 1, "before the start", "", false},
    {"g", 0, "before the start", "", false},
    {"SfX", 1, "262145 bytes", "", false},
    {"SY", 0, "4294967295 bytes", "", false},
    {"S0", 0, "a control frame of 0", "", false},
    {"S3", 0, "a control frame of 3", "", false},
    {"5", 0, "a control frame of 513", "", false},
    {"SA", 0, "control frame 1,", "", false},
    {"SF", 0, "control frame 5,", "", false},
    {"S6", 0, "control frame 6,", "", false},
    /* what is cut, which only the caller knows */
    {"Sff-", 1, NULL, "", false},
    {"SfT-", 1, NULL, "", false},
    {"S-", 0, NULL, "", false},
};

static void streams_in_pieces(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 5, 7, 12, 41, 43, 1000};
    for (size_t i = 0; i < LEN(rows); i++) {
        const struct row *row = &rows[i];
        out = writer_over(space, sizeof(space));
        for (const char *at = row->letters; *at; at++)
            put(*at);
        assert_false(out.failed);
        size_t len = writer_len(&out), k = len > 10000 ? LEN(sizes) - 1 : 0;
        for (; k <= LEN(sizes); k++)
            for (int max = 1; max <= 8; max += 7) {
                struct seen seen;
                size_t piece = k == LEN(sizes) ? len : len > 10000 ? len / 3 : sizes[k];
                read_in_pieces(space, len, piece, max, &seen);
                if (seen.frames != row->frames || seen.is_broken != (row->why != NULL) ||
                    strcmp(seen.answers, row->answers) != 0 || seen.is_ended != row->is_ended)
                    fail_msg("%s in pieces of %zu, %d at a time: %u frames, %s, answers %s", row->letters, piece, max,
                             seen.frames, seen.is_broken ? seen.why.text : "right", seen.answers);
                if (row->why && !strstr(seen.why.text, row->why))
                    fail_msg("%s: %s", row->letters, seen.why.text);
                bool is_cut = row->letters[strlen(row->letters) - 1] == '-';
                assert_true(row->why || (seen.left > 0) == is_cut);
            }
    }
}

static void beginnings_of_files(void **state)
{
    (void)state;
    static const struct {
        const char *letters;
        bool is_one;
    } files[] = {{"S", true},  {"n", true},  {"s", true},  {"t", true},  {"R", false},
                 {"f", false}, {"g", false}, {"0", false}, {"5", false}, {"T", false}};
    for (size_t i = 0; i < LEN(files); i++) {
        out = writer_over(space, sizeof(space));
        put(files[i].letters[0]);
        for (size_t len = 0; len <= writer_len(&out); len++) {
            uint8_t *copy = exact_copy(space, len);
            assert_int_equal(frame_stream_is(copy, len), files[i].is_one && len >= 12);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_pieces),
        cmocka_unit_test(beginnings_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
