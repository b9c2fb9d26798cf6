/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A UDP socket is connected, so that the kernel says what becomes of datagrams, and holds on to the route and to the
 * own address that it had then. When one of these goes away the connection is dissolved and made anew. */
#include "sink/collector.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "dnsflow.h"

enum {
    SEND_BUFFER = 4 << 20,       /* bytes asked of the kernel */
    RESOLVE_US = 10 * SECOND_US, /* between attempts to resolve a name */
    CONNECT_US = 2 * SECOND_US,  /* ... to reach a collector */
    LOOK_US = SECOND_US,         /* between two looks at a connection, or two of its renewals */
    QUIET_US = 10 * SECOND_US,   /* between two lines about a collector */
    OVERHEAD_IP4 = 20 + 8,
    OVERHEAD_IP6 = 40 + 8,
};

/* ---- what the operator is told ---- */

static void set_cause(struct collector *c, int cause)
{
    counter_set(&c->cause, (uint64_t)(int64_t)cause);
}

/* `why` is the whole line about the cause; it lasts until collector_recovered(). */
static void tell(struct collector *c, const char *why)
{
    int64_t now = clock_monotonic_us();
    if (c->is_told || now < c->next_line_us)
        return;
    c->is_told = true;
    c->next_line_us = now + QUIET_US;
    if (!c->is_quiet)
        log_line("warning: %s; trying again every %d s, datagrams until then are lost", why,
                 (c->address.len > 0 ? CONNECT_US : RESOLVE_US) / SECOND_US);
}

static void note_cause(struct collector *c, int cause)
{
    struct error why;
    set_cause(c, cause);
    error_set(&why, "collector %s: %s", c->target.text, sink_cause_text(cause));
    tell(c, why.text);
}

/* One that captures what arrives, instead of listening, answers so too. */
void collector_refused(struct collector *c)
{
    c->refused++;
    if (!c->is_refusal_told && !c->is_quiet)
        log_line("collector %s: answers that nobody listens there; nothing is wrong if it captures what comes",
                 c->target.text);
    c->is_refusal_told = true;
}

void collector_recovered(struct collector *c)
{
    if (c->is_narrow)
        return;
    set_cause(c, 0);
    if (c->is_told && !c->is_quiet)
        log_line("collector %s: can be sent to", c->target.text);
    c->is_told = false;
}

/* ---- the connection ---- */

static socklen_t address_size(int family)
{
    return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static int bind_port(int fd, int family, in_port_t port)
{
    struct sockaddr_storage any = {.ss_family = (sa_family_t)family};
    if (family == AF_INET)
        ((struct sockaddr_in *)&any)->sin_port = port;
    else
        ((struct sockaddr_in6 *)&any)->sin6_port = port;
    return bind(fd, (const struct sockaddr *)&any, address_size(family));
}

/* A port that the kernel has chosen is lost when the connection is dissolved, unless it is bound by its number: so it
 * is asked for, given back, and bound. */
static void keep_port(int fd, int family)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    if (bind_port(fd, family, 0) != 0 || getsockname(fd, (struct sockaddr *)&own, &len) != 0)
        return;
    (void)connect(fd, &nobody, sizeof(nobody));
    (void)bind_port(fd, family,
                    family == AF_INET ? ((struct sockaddr_in *)&own)->sin_port
                                      : ((struct sockaddr_in6 *)&own)->sin6_port);
}

/* The kernel must not fragment: a datagram over the path's MTU comes back as EMSGSIZE instead. Nothing is received. */
static int make_socket(int family)
{
    int on = IP_PMTUDISC_DO, on6 = IPV6_PMTUDISC_DO, size = SEND_BUFFER, least = 0;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET)
        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &on, sizeof(on));
    else
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &on6, sizeof(on6));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    keep_port(fd, family);
    return fd;
}

/* ---- our own address, IPv6 ---- */

static bool own_address(int fd, struct sockaddr_in6 *out)
{
    socklen_t len = sizeof(*out);
    return getsockname(fd, (struct sockaddr *)out, &len) == 0 && out->sin6_family == AF_INET6 &&
           !IN6_IS_ADDR_V4MAPPED(&out->sin6_addr);
}

static const struct in6_addr *target_address(const struct collector *c)
{
    return &((const struct sockaddr_in6 *)&c->address.address)->sin6_addr;
}

/* Before an interface's address may be used (RFC 4862) the kernel takes that of loopback, from which nothing arrives.
 */
static bool is_from_loopback(const struct collector *c)
{
    struct sockaddr_in6 own;
    return c->family == AF_INET6 && own_address(c->fd, &own) && IN6_IS_ADDR_LOOPBACK(&own.sin6_addr) &&
           !IN6_IS_ADDR_LOOPBACK(target_address(c));
}

/* The kernel goes on sending from an address that is not ours any more, and from one of the link when there is a better
 * one by now. */
static bool needs_other_address(const struct collector *c)
{
    struct sockaddr_in6 own, other;
    if (!own_address(c->fd, &own))
        return false;
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    own.sin6_port = 0;
    bool is_gone = bind(probe, (const struct sockaddr *)&own, sizeof(own)) != 0 && errno == EADDRNOTAVAIL;
    close(probe);
    if (is_gone || !IN6_IS_ADDR_LINKLOCAL(&own.sin6_addr) || IN6_IS_ADDR_LINKLOCAL(target_address(c)))
        return is_gone;
    probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_other = probe >= 0 && connect(probe, (const struct sockaddr *)&c->address.address, c->address.len) == 0 &&
                    own_address(probe, &other) && !IN6_ARE_ADDR_EQUAL(&own.sin6_addr, &other.sin6_addr) &&
                    !IN6_IS_ADDR_LOOPBACK(&other.sin6_addr);
    if (probe >= 0)
        close(probe);
    return is_other;
}

static void close_socket(struct collector *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->is_connected = false;
}

void collector_learn_limit(struct collector *c)
{
    bool is_ip4 = c->family == AF_INET;
    size_t overhead = is_ip4 ? OVERHEAD_IP4 : OVERHEAD_IP6;
    int mtu = 0;
    socklen_t len = sizeof(mtu);
    int got = is_ip4 ? getsockopt(c->fd, IPPROTO_IP, IP_MTU, &mtu, &len)
                     : getsockopt(c->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
    c->limit = is_ip4 ? DNSFLOW_LIMIT_IP4 : DNSFLOW_LIMIT_IP6;
    if (got == 0 && mtu > 0 && (size_t)mtu < c->limit + overhead)
        c->limit = (size_t)mtu > overhead ? (size_t)mtu - overhead : 0;
    bool was_narrow = c->is_narrow;
    c->is_narrow = c->limit < DNSFLOW_LIMIT_MIN;
    if (c->is_narrow)
        c->limit = DNSFLOW_LIMIT_MIN;
    if (c->is_narrow && !was_narrow)
        note_cause(c, EMSGSIZE);
    else if (was_narrow && !c->is_narrow)
        collector_recovered(c);
}

/* The interface of a link-local address has another number once it has been made anew. */
static void renew_scope(struct collector *c)
{
    struct sockaddr_in6 *to = (struct sockaddr_in6 *)&c->address.address;
    const char *name = strchr(c->target.host, '%');
    struct ifreq request = {.ifr_ifindex = 0};
    if (!name || c->family != AF_INET6 || c->fd < 0)
        return;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name + 1);
    if (ioctl(c->fd, SIOCGIFINDEX, &request) == 0)
        to->sin6_scope_id = (uint32_t)request.ifr_ifindex;
}

/* Connects to the address, anew if it was connected before. Returns whether there is a way. */
static bool reach(struct collector *c)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int family = c->address.address.ss_family;
    bool is_again = c->is_connected;
    if (c->fd >= 0 && c->family != family)
        close_socket(c);
    if (c->fd < 0)
        c->fd = make_socket(family);
    else if (c->is_connected)
        (void)connect(c->fd, &nobody, sizeof(nobody));
    c->family = family;
    renew_scope(c);
    c->is_connected = c->fd >= 0 && connect(c->fd, (const struct sockaddr *)&c->address.address, c->address.len) == 0;
    int cause = errno;
    if (c->is_connected && is_from_loopback(c)) {
        (void)connect(c->fd, &nobody, sizeof(nobody));
        c->is_connected = false;
        cause = EADDRNOTAVAIL;
    }
    c->next_try_us = clock_monotonic_us() + (!c->is_connected ? CONNECT_US : is_again ? LOOK_US : 0);
    if (!c->is_connected) {
        note_cause(c, cause);
        return false;
    }
    collector_learn_limit(c);
    collector_recovered(c);
    return true;
}

static void resolve(struct collector *c)
{
    struct error why;
    struct address found;
    if (address_resolve("collector", &c->target, &found, &why) == 0) {
        collector_set_address(c, &found);
    } else if (c->address.len > 0) {
        log_line("warning: %s; sending to its old address", why.text);
    } else {
        set_cause(c, SINK_UNRESOLVED);
        c->next_try_us = clock_monotonic_us() + RESOLVE_US;
        tell(c, why.text);
    }
}

bool collector_attend(struct collector *c)
{
    int64_t now = clock_monotonic_us();
    if (c->is_connected) {
        if (now < c->next_look_us)
            return true;
        c->next_look_us = now + LOOK_US;
        if (needs_other_address(c))
            return reach(c);
        collector_learn_limit(c);
        return true;
    }
    if (now < c->next_try_us)
        return false;
    if (c->address.len > 0)
        return reach(c);
    if (c->resolves)
        resolve(c);
    return c->is_connected;
}

bool collector_is_unreachable(int cause)
{
    return cause == ENETUNREACH || cause == EHOSTUNREACH || cause == EADDRNOTAVAIL || cause == EINVAL ||
           cause == EACCES || cause == EPERM || cause == ENODEV || cause == ENETDOWN;
}

bool collector_failed(struct collector *c, int cause)
{
    if (collector_is_unreachable(cause) && clock_monotonic_us() >= c->next_try_us)
        return reach(c);
    note_cause(c, cause);
    return false;
}

enum sink_loss collector_loss(const struct collector *c)
{
    return c->address.len > 0 ? SINK_LOST_UNREACHABLE : SINK_LOST_UNRESOLVED;
}

/* IPv4 in IPv6 form is sent as IPv4. */
static void unmap(struct address *address)
{
    const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)&address->address;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = from->sin6_port};
    if (address->address.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&from->sin6_addr))
        return;
    memcpy(&to.sin_addr, &from->sin6_addr.s6_addr[12], sizeof(to.sin_addr));
    memset(address, 0, sizeof(*address));
    memcpy(&address->address, &to, sizeof(to));
    address->len = sizeof(to);
}

void collector_set_address(struct collector *c, const struct address *address)
{
    c->address = *address;
    unmap(&c->address);
    (void)reach(c);
}

void collector_reopen(struct collector *c)
{
    if (c->resolves)
        resolve(c);
}

void collector_open(struct collector *c, const struct address_name *target, bool is_live)
{
    struct address found;
    c->target = *target;
    c->fd = -1;
    c->limit = DNSFLOW_LIMIT_IP4;
    c->resolves = !is_live;
    if (!is_live)
        resolve(c);
    else if (address_read(target, &found) == 0)
        collector_set_address(c, &found);
    else
        set_cause(c, SINK_UNRESOLVED);
}

void collector_close(struct collector *c)
{
    close_socket(c);
}
