# SPDX-License-Identifier: BSD-3-Clause
"""Names on flows, joined the slow and obvious way, and random lookups and flows to join. Domains of the names here are
their last two labels."""

import collections
import random

from datagrams import extended, packet, set4

BEGIN_US = 1790000000 * 1000000
SKEW_US = 2000000
RESOLVER = "10.0.0.53"

# names: the question, then what CNAMEs led to; first_us to last_us: when, count times; ttl in seconds
Lookup = collections.namedtuple("Lookup", "client addresses names first_us last_us count ttl")
Flow = collections.namedtuple("Flow", "client server time_us port source_port", defaults=(443, 50000))


def domain(name):
    return ".".join(name.split(".")[-2:])


def age_of(lookup, at_us):
    if at_us >= lookup.last_us:
        return at_us - lookup.last_us
    span = lookup.last_us - lookup.first_us
    return max(0, min(at_us - lookup.first_us, span // (lookup.count - 1) if lookup.count > 1 else span))


class Twin:
    def __init__(self, lookups, slack=300, either_way=False, whole_second=False):
        self.lookups, self.slack, self.either_way, self.whole_second = lookups, slack, either_way, whole_second
        self.encrypted = set()

    def fresh(self, client, server, at_us, whole_second=False):
        """([(is later, how far from the flow, ..., age, lookup)], whether there were older ones)"""
        good, expired, end_us = [], False, at_us + (999999 if whole_second else 5000)
        for number, one in enumerate(self.lookups):
            if one.client != client or server not in one.addresses or one.first_us > at_us + SKEW_US:
                continue
            age = age_of(one, at_us)
            if age > (one.ttl + self.slack) * 1000000:
                expired = True
                continue
            later = one.first_us > end_us
            rank = one.first_us - end_us if later else age_of(one, end_us)
            good.append((later, rank, -one.last_us, -number, age, one))
        return good, expired

    def of_client(self, client, server, at_us, whole_second=False):
        """(found, whether there was an older lookup)"""
        good, expired = self.fresh(client, server, at_us, whole_second)
        if not good:
            return None, expired
        age, best = min(good)[4:]
        names = len({one[5].names[0] for one in good})
        method = "client-unique" if names == 1 else "client-latest"
        return (best.names[0], best.names[-1] if len(best.names) > 1 else "", method, age, names), expired

    def newest(self, client, server, at_us):
        """{(name, via)} of all that are as near."""
        good, _ = self.fresh(client, server, at_us)
        return {(one.names[0], one.names[-1] if len(one.names) > 1 else "")
                for later, rank, _, _, _, one in good if (later, rank) == min(good)[:2]}

    def of_others(self, server, at_us):
        """(found, why not)"""
        counts, leader, last, ttl = collections.Counter(), None, 0, 0
        for one in self.lookups:
            if server not in one.addresses or one.first_us // 1000000 > (at_us + SKEW_US) // 1000000:
                continue
            name = domain(one.names[0])
            counts[name] += 1
            if name == leader or leader is None or counts[name] > counts[leader]:
                last = max(last, one.first_us) if name == leader else one.first_us
                leader, ttl = name, one.ttl
        if not leader or at_us - last > (ttl + self.slack) * 1000000:
            return None, ""
        total = sum(counts.values())
        if total < 10 or counts[leader] * 10 < total * 9:
            return None, "few-lookups" if total < 10 else "many-domains"
        return (leader, "", "others-domain", max(0, at_us - last), len(counts)), ""

    def annotate(self, flow):
        """(name, via, method, age in microseconds, candidates)"""
        if flow.port == 853:
            self.encrypted.add(flow.client)
        elif self.either_way and flow.source_port == 853:
            self.encrypted.add(flow.server)
        ways = [(flow.client, flow.server), (flow.server, flow.client)][:2 if self.either_way else 1]
        reason = "no-lookup"
        for client, server in ways:
            found, expired = self.of_client(client, server, flow.time_us, self.whole_second)
            if found:
                return found
            reason = "expired" if expired else reason
        for _, server in ways:
            found, why = self.of_others(server, flow.time_us)
            if found:
                return found
            reason = why if why and reason == "no-lookup" else reason
        if any(client in self.encrypted for client, _ in ways):
            reason = "encrypted-resolver"
        return "", "", reason, None, None


class World:
    """Clients that look up names, some of which share addresses, and connect."""

    def __init__(self, seed, lookups=3000, seconds=7200):
        self.random = r = random.Random(seed)
        self.seconds = seconds
        self.clients = ["10.1.0.%d" % i for i in range(1, 25)] + ["2001:db8:1::%d" % i for i in range(1, 5)]
        self.servers = ["192.0.2.%d" % i for i in range(1, 25)] + ["2001:db8:2::%x" % i for i in range(1, 10)]
        self.names = {}
        for i in range(90):
            question = "host%d.site%d.example" % (i, i) if i % 3 else "www%d.site%d.com" % (i, i % 7)
            chain = [question] + ["edge%d.cdn%d.net" % (i % 5, i % 2)] * (i % 4 == 0)
            own = i % 2 and self.servers[i // 2 % 12:][:1]
            self.names[question] = chain, own or r.sample(self.servers[12:], r.randrange(1, 4))
        for i in range(18):  # addresses of one domain each
            self.names["www%d.alone%d.example" % (i, i % 6)] = ["www%d.alone%d.example" % (i, i % 6)], \
                ["198.51.100.%d" % (i % 6)]
        self.lookups = sorted((self.lookup() for _ in range(lookups)), key=lambda one: one.first_us)

    def lookup(self):
        r = self.random
        chain, addresses = self.names[r.choice(list(self.names))]
        at = BEGIN_US + r.randrange(self.seconds * 1000000)
        return Lookup(r.choice(self.clients), addresses, chain, at, at, 1, r.choice((0, 30, 60, 300, 600)))

    def flows(self, count, whole_seconds=False, either_way=False):
        r, made = self.random, []
        for _ in range(count):
            one = r.choice(self.lookups)
            at = one.first_us + (r.randrange(-3000000, 10000000) if r.random() < 0.6 else r.randrange(-10**9, 2 * 10**9))
            client = one.client if r.random() < 0.75 else r.choice(self.clients)
            server = r.choice(one.addresses if r.random() < 0.9 else self.servers)
            ports = (853 if r.random() < 0.01 else 443, r.randrange(1024, 65536))
            if whole_seconds:
                at -= at % 1000000
            if either_way and r.random() < 0.5:
                client, server, ports = server, client, ports[::-1]
            made.append(Flow(client, server, at, *ports))
        return sorted(made, key=lambda flow: flow.time_us)

    def packets(self):
        """Of the lookups, as a capture of datagrams has them: (time, packet)"""
        for number, one in enumerate(self.lookups):
            ip4 = [a for a in one.addresses if ":" not in a]
            ip6 = [a for a in one.addresses if ":" in a]
            data = extended(number + 1, set4(one.client, RESOLVER, one.names, ip4, ip6), base=one.first_us,
                            ext=((0, one.ttl, 1, 40000, 0),), rate=0)
            yield one.first_us + 200000, packet(data)
