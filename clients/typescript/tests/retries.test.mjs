// What the client sends again, and what it throws, held against a server that follows a script.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

const { Lastro, LastroError, Refused, Unavailable, commands, newId } = await import(
  process.env.LASTRO_CLIENT
);

const TRANSFER = { id: newId(), kind: "transfer", amount: 1 };
const TOTALS = { debits_posted: 0, credits_posted: 0, debits_pending: 0, credits_pending: 0, balance: 0 };
const QUICK = { firstPauseMs: 1, pauseMaxMs: 10 };

const unavailable = (status, nothing_done, retryAfter) => [
  status,
  retryAfter === undefined ? {} : { "retry-after": retryAfter },
  { status, code: "overloaded", detail: "ask again", nothing_done },
];

/** Serves the steps (status, headers, body; `null` cuts the connection) and returns what `act` came
 * to with the paths and bodies that arrived. */
async function script(steps, act, retry = QUICK) {
  const [paths, bodies] = [[], []];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    paths.push(request.url);
    bodies.push(JSON.parse(Buffer.concat(chunks).toString() || "null"));
    const step = steps.shift();
    if (step === null) return request.socket.destroy();
    const [status, headers, body] = step;
    response.writeHead(status, headers);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const ledger = new Lastro(`http://127.0.0.1:${server.address().port}/`, { retry });
  try {
    const [result] = await Promise.allSettled([act(ledger)]);
    return { paths, bodies, result: result.value, error: result.reason };
  } finally {
    server.closeAllConnections?.();
    await new Promise((resolve) => server.close(resolve));
  }
}

const transfer = (ledger) => ledger.transfer("a", "b", 1, "d");

test("what has an id is sent until it is answered", async () => {
  const steps = [
    unavailable(503, true, "0"),
    null,
    unavailable(504, false),
    unavailable(429, true, new Date(Date.now() - 5_000).toUTCString()),
    [502, {}, "<html>bad gateway</html>"],
    [200, { "idempotency-replayed": "true" }, TRANSFER],
  ];
  const { bodies, result } = await script([...steps], transfer);
  assert.equal(result.replayed, true);
  assert.equal(bodies.length, steps.length);
  assert.equal(new Set(bodies.map((body) => body.id)).size, 1);
});

test("what has no id is not sent again after an unknown outcome", async () => {
  const change = (ledger) => ledger.changeLimit("a", 5);
  for (const step of [null, unavailable(504, false)]) {
    const { bodies, error } = await script([unavailable(503, true), step], change);
    assert(error instanceof Unavailable);
    assert.equal(error.nothingDone, false);
    assert.equal(bodies.length, 2);
  }
  const answer = [200, {}, { id: "a", ...TOTALS }];
  assert.equal((await script([unavailable(503, true), answer], change)).result.id, "a");
});

test("a batch is sent again only if all of it happens once", async () => {
  const members = [commands.transfer("a", "b", 1, "d"), commands.changeLimit("a", 5)];
  const alone = await script([null], (ledger) => ledger.batch(members));
  assert(alone.error instanceof Unavailable);
  const answer = [200, {}, { atomic: true, outcomes: [] }];
  const atomic = await script([null, answer], (ledger) => ledger.batch(members, { atomic: true }));
  assert.deepEqual(atomic.bodies[0], atomic.bodies[1]);
  const first = await script([null, answer], (ledger) => ledger.batch(members.slice(0, 1)));
  assert.equal(first.bodies.length, 2);
});

test("events are followed over lost answers", async () => {
  const page = (positions, next) => {
    const events = positions.map((position) => ({ position, type: "payments.purged", timestamp: "t" }));
    return [200, {}, { events, next }];
  };
  const steps = [page(["p1", "p2"], "p2"), null, page([], "p9"), page(["p10"], "p10")];
  const { result, bodies } = await script([...steps], async (ledger) => {
    const found = [];
    for await (const event of ledger.events()) {
      found.push(event.position);
      if (found.length === 3) return found;
    }
  });
  assert.deepEqual(result, ["p1", "p2", "p10"]);
  assert.equal(bodies.length, steps.length);
});

test("a replay is not sent again after a lost answer", async () => {
  const { error, bodies } = await script([null], (ledger) => ledger.replayWebhook("orders", "beginning"));
  assert(error instanceof Unavailable);
  assert.equal(bodies.length, 1);
});

test("a resolution is not sent again after a lost answer", async () => {
  const decision = { resolution: "settled", attempt: 1, who: "ana", why: "on their statement" };
  const decide = (ledger) => ledger.resolve("p", { ...decision, requestedAt: "t1" });
  const { error, ...lost } = await script([null], decide);
  assert(error instanceof Unavailable);
  assert.deepEqual([error.nothingDone, lost.bodies.length], [false, 1]);
  const steps = [unavailable(503, true), [200, {}, { id: "p", state: "settled" }]];
  const { result, paths, bodies } = await script(steps, decide);
  assert.equal(result.state, "settled");
  assert.deepEqual(paths, ["/v1/payments/p/resolve", "/v1/payments/p/resolve"]);
  assert.deepEqual(bodies[1], { ...decision, requested_at: "t1" });
});

const walked = async (list) => {
  const found = [];
  for await (const one of list) found.push(one);
  return found;
};

test("transfers are walked over empty pages and lost answers", async () => {
  const steps = [
    [200, {}, { transfers: [TRANSFER], next_cursor: "one" }],
    null,
    [200, {}, { transfers: [], next_cursor: "two" }],
    [200, {}, { transfers: [TRANSFER], next_cursor: null }],
  ];
  const asked = {
    account: "a", reference: "x&y", kind: "pend", state: "pending", from: "t1", to: "t2", order: "asc",
  };
  const { result, paths } = await script(steps, (ledger) => walked(ledger.transfers(asked, 2)));
  assert.deepEqual(result, Array(2).fill({ ...TRANSFER, replayed: false }));
  const narrow = "account=a&reference=x%26y&kind=pend&state=pending&from=t1&to=t2&order=asc&limit=2";
  const cursors = ["", "&cursor=one", "&cursor=one", "&cursor=two"];
  assert.deepEqual(paths, cursors.map((cursor) => `/v1/transfers?${narrow}${cursor}`));
});

test("payments are walked", async () => {
  const payment = { id: newId(), state: "settled", amount: 1 };
  const steps = [
    [200, {}, { payments: [payment], next_cursor: "one" }],
    [200, {}, { payments: [payment], next_cursor: null }],
  ];
  const asked = { state: "settled", processor: "default", account: "a", reference: "r", olderThanS: 0 };
  const { result, paths } = await script(steps, (ledger) => walked(ledger.payments(asked, 1)));
  assert.deepEqual(result, [payment, payment]);
  const narrow = "state=settled&processor=default&account=a&reference=r&limit=1";
  const cursors = ["", "&cursor=one"];
  assert.deepEqual(paths, cursors.map((cursor) => `/v1/payments?${narrow}${cursor}&older_than_s=0`));
  const all = await script([[200, {}, { payments: [], next_cursor: null }]], (ledger) =>
    ledger.paymentsPage({ from: "t1", to: "t2", order: "desc" }),
  );
  assert.deepEqual(all.result, { payments: [], next_cursor: null });
  assert.deepEqual(all.paths, ["/v1/payments?from=t1&to=t2&order=desc"]);
});

test("a pause beyond the time for retries is not begun", async () => {
  const { error } = await script([unavailable(503, true, "3600")], transfer);
  assert(error instanceof Unavailable);
  assert.equal(error.nothingDone, true);
  assert.equal(error.problem.code, "overloaded");
});

test("where nobody listens nothing was done", async () => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  const retry = { withinMs: 50, firstPauseMs: 10 };
  const error = await transfer(new Lastro(`http://127.0.0.1:${port}`, { retry })).catch((e) => e);
  assert(error instanceof Unavailable);
  assert.equal(error.nothingDone, true);
  assert.equal(error.name, "Unavailable");
});

test("a decision is not asked for again", async () => {
  const body = { status: 422, code: "insufficient_funds", detail: "no", available: 3 };
  const { bodies, error } = await script([[422, {}, body]], transfer);
  assert(error instanceof Refused);
  assert.equal(error.code, "insufficient_funds");
  assert.equal(error.problem.members.available, 3);
  assert.equal(bodies.length, 1);
});

test("another server is named as such", async () => {
  const { error } = await script([[200, {}, "<html>hello</html>"]], transfer);
  assert(error instanceof LastroError);
  assert.match(error.message, /is this Lastro/);
});

test("totals are exact beyond 2^53, and texts that look like them stay texts", async () => {
  const text = `{"id":"9007199254740993","credits_posted":9007199254740993,"debits_posted":0,
    "debits_pending":0,"credits_pending":0,"balance":-9223372036854775808,"entry_count":12}`;
  const { result } = await script([[200, {}, text]], (ledger) => ledger.account("x"));
  assert.equal(result.credits_posted, 9007199254740993n);
  assert.equal(result.balance, -9223372036854775808n);
  assert.equal(result.id, "9007199254740993");
  assert.equal(result.entry_count, 12);
});

test("ids are of version 7 and grow with time", () => {
  const ids = Array.from({ length: 100 }, newId);
  assert.equal(new Set(ids).size, 100);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const millis = ids.map((id) => parseInt(id.replaceAll("-", "").slice(0, 12), 16));
  assert.deepEqual(millis, [...millis].sort((one, other) => one - other));
  assert(Math.abs(millis[0] - Date.now()) < 60_000);
});
