/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening at a path: what stands there before, and the rights of what comes. */
#include "testing.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/unix_socket.h"

enum before { NOTHING, STALE, LIVING, BUSY, DATAGRAM, FILE_THERE, FOLDER, LINK, BEFORE_COUNT };

static char folder[] = "/tmp/dnsflow-test-XXXXXX";
static int held[64];
static size_t held_count;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int hold(int fd)
{
    assert_true(fd >= 0 && held_count < LEN(held));
    return held[held_count++] = fd;
}

static void release(void)
{
    while (held_count > 0)
        close(held[--held_count]);
}

static int connect_to(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    return connect(hold(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), (struct sockaddr *)&to, sizeof(to));
}

static void bind_to(const char *path, int type)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    assert_int_equal(bind(hold(socket(AF_UNIX, type, 0)), (struct sockaddr *)&at, sizeof(at)), 0);
}

static void put_there(const char *path, enum before before)
{
    if (before == STALE || before == LIVING || before == BUSY)
        bind_to(path, SOCK_STREAM);
    if (before == STALE)
        release();
    if (before == LIVING || before == BUSY)
        assert_int_equal(listen(held[0], before == BUSY ? 0 : 8), 0);
    while (before == BUSY && connect_to(path) == 0)
        continue;
    if (before == DATAGRAM)
        bind_to(path, SOCK_DGRAM);
    if (before == FILE_THERE)
        hold(open(path, O_CREAT | O_WRONLY, 0600));
    if (before == FOLDER)
        assert_int_equal(mkdir(path, 0700), 0);
    if (before == LINK)
        assert_int_equal(symlink("/nowhere", path), 0);
}

static const struct {
    const char *name, *error; /* NULL: it is taken */
    bool goes;                /* by unix_socket_remove() */
} rows[BEFORE_COUNT] = {
    [NOTHING] = {"nothing", NULL, true},
    [STALE] = {"a socket of nobody", NULL, true},
    [LIVING] = {"a socket of another", "another program listens there", false},
    [BUSY] = {"one with a full queue", "another program listens there", false},
    [DATAGRAM] = {"a datagram socket", "cannot tell", false},
    [FILE_THERE] = {"a file", "no socket", false},
    [FOLDER] = {"a folder", "no socket", false},
    [LINK] = {"a link", "no socket", false},
};

static void what_is_there_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORE_COUNT; i++) {
        char path[64];
        struct error err = {.text = ""};
        struct stat left;
        struct unix_socket_id id = {.device = 0};
        snprintf(path, sizeof(path), "%s/it", folder);
        put_there(path, (enum before)i);
        int fd = unix_socket_listen(path, 0600, 8, &err);
        if ((fd >= 0) != !rows[i].error || (rows[i].error && !strstr(err.text, rows[i].error)))
            fail_msg("%s: %d, %s", rows[i].name, fd, err.text);
        assert_true(fd >= 0 || strncmp(err.text, path, strlen(path)) == 0);
        if (fd >= 0) {
            assert_int_equal(connect_to(path), 0);
            close(fd);
            unix_socket_find(path, &id);
        }
        unix_socket_remove(path, &id);
        if ((lstat(path, &left) != 0) != rows[i].goes)
            fail_msg("%s: wrongly %s", rows[i].name, rows[i].goes ? "left" : "removed");
        release();
        (void)remove(path);
    }
}

/* Of two of one path, also where rights forbid to ask whether somebody listens. */
static void the_next_one_of_its_path(void **state)
{
    (void)state;
    char path[64];
    struct unix_socket_id id, next;
    struct stat left;
    snprintf(path, sizeof(path), "%s/it", folder);
    int first = unix_socket_listen(path, 0600, 8, NULL);
    unix_socket_find(path, &id);
    assert_int_equal(unlink(path), 0);
    int second = unix_socket_listen(path, 0, 8, NULL);
    unix_socket_find(path, &next);
    close(first);
    close(second);
    unix_socket_remove(path, &id);
    assert_int_equal(lstat(path, &left), 0);
    unix_socket_remove(path, &next);
    assert_int_equal(lstat(path, &left), -1);
}

static void rights(void **state)
{
    (void)state;
    static const unsigned modes[] = {0, 0600, 0660, 0666, 0777};
    mode_t before = umask(027);
    for (size_t i = 0; i < LEN(modes); i++) {
        char path[64];
        struct stat made;
        snprintf(path, sizeof(path), "%s/it", folder);
        int fd = unix_socket_listen(path, modes[i], 8, NULL);
        assert_true(fd >= 0 && lstat(path, &made) == 0);
        assert_int_equal(made.st_mode & 07777, modes[i]);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(close(fd), 0);
        (void)unlink(path);
    }
    assert_int_equal(umask(before), 027);
}

static void length_of_a_name(void **state)
{
    (void)state;
    const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    for (size_t len = most; len <= most + 1; len++) {
        char path[256];
        struct error err;
        int used = snprintf(path, sizeof(path), "%s/", folder);
        memset(path + used, 'x', len - (size_t)used);
        path[len] = '\0';
        int fd = unix_socket_listen(path, 0600, 8, &err);
        assert_int_equal(fd >= 0, len == most);
        assert_true(fd >= 0 || strstr(err.text, "too long"));
        if (fd >= 0)
            close(fd);
        (void)unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_there_before),
                                       cmocka_unit_test(the_next_one_of_its_path), cmocka_unit_test(rights),
                                       cmocka_unit_test(length_of_a_name)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
