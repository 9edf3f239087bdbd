// Every method against a real server, whose address is in `LASTRO_URL`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const { BatchRefused, Conflict, Lastro, NotFound, Refused, commands, newId } = await import(
  process.env.LASTRO_CLIENT
);

const ledger = new Lastro(process.env.LASTRO_URL);
let user, shop;

async function thrown(promise, kind, code) {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof kind, `${error}`);
  if (code !== undefined) assert.equal(error.code, code);
  return error;
}

beforeEach(async () => {
  [user, shop] = [`users:${newId()}`, `shops:${newId()}`];
  await ledger.openAccount(user, "BRL", 100);
  await ledger.openAccount(shop, "BRL");
});

test("accounts", async () => {
  assert.equal((await ledger.account(user)).available, 100);
  assert.equal(typeof (await ledger.account("world:BRL")).balance, "bigint");
  assert.equal((await ledger.openAccount(user, "BRL", 100)).id, user);
  await thrown(ledger.openAccount(user, "USD", 100), Conflict);
  const changed = await ledger.changeLimit(user, 200, { expectedCreditLimit: 100 });
  assert.equal(changed.credit_limit, 200);
  const late = ledger.changeLimit(user, 300, { expectedCreditLimit: 100 });
  await thrown(late, Conflict, "account_in_other_state");
  const frozen = await ledger.changeFreeze(user, "debits", { expectedFrozen: "none" });
  assert.deepEqual([frozen.frozen, (await ledger.account(shop)).frozen], ["debits", "none"]);
  await thrown(ledger.transfer(user, shop, 1, "stopped"), Refused, "account_frozen");
  await thrown(ledger.changeFreeze(user, "both", { expectedFrozen: "none" }), Conflict);
  const thaw = commands.changeFreeze(user, "none", { expectedFrozen: "debits" });
  assert.deepEqual((await ledger.batch([thaw])).outcomes.map((outcome) => outcome.code), ["created"]);
  assert.equal((await ledger.closeAccount(shop, { expectedEntryCount: 0 })).closed, true);
  await thrown(ledger.account("nobody"), NotFound);
});

test("limits say who gave them, and why", async () => {
  await ledger.changeLimit(user, 200, { who: "ana", why: "ticket 4711" });
  await ledger.batch([
    { kind: "change_limit", account_id: user, credit_limit: 300, why: "more" },
    commands.changeFreeze(user, "none"),
  ]);
  const told = [];
  for await (const limit of ledger.limits(user, 2)) told.push([limit.credit_limit, limit.who, limit.why]);
  assert.deepEqual(told, [[300, undefined, "more"], [200, "ana", "ticket 4711"], [100, undefined, undefined]]);
  const first = await ledger.limitsPage(user, { order: "asc", limit: 1 });
  assert.deepEqual([first.limits[0].credit_limit, first.next_cursor !== null], [100, true]);
});

test("accounts are walked in pages", async () => {
  const prefix = `walk:${newId()}:`;
  const ids = Array.from({ length: 7 }, (_, n) => `${prefix}${n}`);
  for (const id of ids) await ledger.openAccount(id, "BRL");
  await ledger.closeAccount(ids[3]);
  const walked = [];
  for await (const found of ledger.accounts(2, { prefix })) walked.push(found.id);
  assert.deepEqual(walked, ids);
  const page = await ledger.accountsPage({ prefix, currency: "BRL", closed: true, limit: 1 });
  assert.deepEqual(page.accounts.map((found) => found.id), [ids[3]]);
  assert.equal(page.accounts[0].balance, 0n);
});

test("balances of one moment", async () => {
  const prefix = `trial:${newId()}:`;
  const ids = Array.from({ length: 5 }, (_, n) => `${prefix}${n}`);
  for (const [n, id] of ids.entries()) {
    await ledger.openAccount(id, "BRL");
    await ledger.transfer("world:BRL", id, n + 1, "top-up");
  }
  const { at } = await ledger.balancesPage({ prefix });
  await ledger.transfer(ids[4], ids[0], 5, "later");
  const then = [];
  for await (const found of ledger.balances(2, { prefix, at })) then.push(found.balance);
  assert.deepEqual(then, [1n, 2n, 3n, 4n, 5n]);
  const now = await ledger.balancesPage({ prefix });
  assert.deepEqual(now.balances.map((found) => found.balance), [6n, 2n, 3n, 4n, 0n]);
  const total = { currency: "BRL", debit_balances: 0n, credit_balances: 15n, balance: 15n };
  assert.deepEqual(now.totals, [total]);
  const world = await ledger.balance("world:BRL", { at });
  assert.deepEqual([typeof world.balance, world.entry_number], ["bigint", undefined]);
});

test("transfers", async () => {
  const id = newId();
  const first = await ledger.transfer("world:BRL", user, 50, "top-up", { id });
  const again = await ledger.transfer("world:BRL", user, 50, "top-up", { id });
  assert.deepEqual([first.replayed, again.replayed], [false, true]);
  assert.equal(first.credit.balance_after, 50);
  await thrown(ledger.transfer("world:BRL", user, 51, "top-up", { id }), Conflict);
  const hold = await ledger.transfer(user, shop, 80, "hotel", { timeoutS: 60 });
  const post = await ledger.post(hold.id, { amount: 70 });
  assert.deepEqual([post.pending_id, post.amount], [hold.id, 70]);
  const found = await ledger.transferById(hold.id);
  assert.deepEqual([found.pending_state, found.posted_amount, found.ended_by], ["posted", 70, post.id]);
  await thrown(ledger.void(hold.id), Refused, "pending_already_posted");
  const held = await ledger.transfer("world:BRL", shop, 90, "parcels", { timeoutS: 60 });
  const part = await ledger.post(held.id, { amount: 30, final: false });
  assert.deepEqual([part.kind, part.final, part.amount], ["post", false, 30]);
  const soFar = await ledger.transferById(held.id);
  assert.deepEqual([soFar.pending_state, soFar.posted_amount], ["pending", 30]);
  assert.equal(soFar.expires_at, held.expires_at);
  await thrown(ledger.post(held.id, { amount: 61, final: false }), Refused, "amount_exceeds_pending");
  const parts = await ledger.batch([commands.post(held.id, { amount: 20, final: false })], { atomic: true });
  assert.deepEqual(parts.outcomes.map((outcome) => outcome.code), ["created"]);
  assert.equal((await ledger.post(held.id)).amount, 40);
  assert.equal((await ledger.transferById(held.id)).posted_amount, 90);
  const other = await ledger.transfer(user, shop, 1, "hotel", { timeoutS: 0 });
  assert.equal((await ledger.void(other.id)).kind, "void");
  const refund = await ledger.reverse(post.id, "refund", { amount: 20, reference: "return 88" });
  assert.deepEqual([refund.kind, refund.reverses, refund.amount], ["reverse", post.id, 20]);
  assert.equal((await ledger.transferById(post.id)).reversed_amount, 20);
  await thrown(ledger.reverse(post.id, "refund", { amount: 51 }), Refused, "amount_exceeds_reversible");
  const batch = await ledger.batch([commands.reverse(post.id, "refund")], { atomic: true });
  assert.equal(batch.outcomes[0].transfer.amount, 50);
  assert.equal((await ledger.balance(user, { after: first.id })).balance, 50n);
  assert.equal((await ledger.balance(user, { at: first.timestamp })).balance, 50n);
});

test("transfers are listed by account and by reference", async () => {
  const [reference, made] = [`order ${newId()}`, []];
  for (const amount of [1, 2, 3, 4, 5]) {
    made.push(await ledger.transfer("world:BRL", user, amount, "top-up", { reference }));
  }
  const other = await ledger.transfer("world:BRL", shop, 1, "other", { reference });
  const hold = await ledger.transfer(user, shop, 2, "hold", { timeoutS: 60 });
  const listed = async (asked, page) => {
    const found = [];
    for await (const transfer of ledger.transfers(asked, page)) found.push(transfer);
    return found;
  };
  const ids = (transfers) => transfers.map((transfer) => transfer.id);
  assert.deepEqual(ids(await listed({ account: user }, 2)), [hold.id, ...ids(made).reverse()]);
  assert.deepEqual(ids(await listed({ reference, order: "asc" }, 2)), [...ids(made), other.id]);
  assert.deepEqual(ids(await listed({ account: shop, reference })), [other.id]);
  const pending = await listed({ account: user, kind: "pend", state: "pending" });
  assert.deepEqual(pending, [await ledger.transferById(hold.id)]);
  const window = { account: user, from: made[1].timestamp, to: made[3].timestamp };
  assert.deepEqual((await listed(window)).map((transfer) => transfer.amount), [3, 2]);
  const page = await ledger.transfersPage({ account: user, limit: 1 });
  assert.deepEqual([page.transfers.length, page.next_cursor === null], [1, false]);
});

test("the system's accounts have statements too", async () => {
  const made = await ledger.transfer("world:BRL", user, 5, "top-up");
  const asked = { from: made.timestamp, order: "asc", limit: 1 };
  const page = await ledger.statementPage("world:BRL", asked);
  const [entry] = page.entries;
  assert.deepEqual([entry.transfer_id, entry.amount], [made.id, 5]);
  assert.deepEqual([entry.number, entry.balance_after], [undefined, undefined]);
  assert.equal(page.window.opening_balance, undefined);
});

test("statements are walked in pages", async () => {
  const members = Array.from({ length: 7 }, (_, n) => commands.transfer("world:BRL", user, 1, `n${n}`));
  const { outcomes } = await ledger.batch(members);
  assert(outcomes.every((outcome) => outcome.code === "created"));
  const numbers = [];
  for await (const entry of ledger.statement(user, 3)) numbers.push(entry.number);
  assert.deepEqual(numbers, [7, 6, 5, 4, 3, 2, 1]);
  assert.equal((await ledger.statementPage(user, { limit: 3 })).entries.length, 3);
});

test("statements of a window add up", async () => {
  const amounts = [1, 2, 3, 4, 5, 6, 7];
  await ledger.batch(amounts.map((amount) => commands.transfer("world:BRL", user, amount, "n")));
  const whole = [];
  for await (const entry of ledger.statement(user, 2, { order: "asc" })) whole.push(entry);
  assert.deepEqual(whole.map((entry) => entry.amount), amounts);
  const window = { from: whole[2].timestamp, to: whole[5].timestamp };
  const found = [];
  for await (const entry of ledger.statement(user, 2, { ...window, order: "asc" })) found.push(entry.amount);
  assert.deepEqual(found, [3, 4, 5]);
  const page = await ledger.statementPage(user, window);
  assert.deepEqual([page.window.opening_balance, page.window.closing_balance], [3, 15]);
  assert.deepEqual([page.window.entries_count, page.window.order], [3, "desc"]);
});

test("transfers say what they are for", async () => {
  const [id, metadata] = [newId(), { shop: "7" }];
  const notes = { id, reference: "order 1017", metadata };
  const made = await ledger.transfer("world:BRL", user, 5, "book", notes);
  assert.deepEqual([made.reference, made.metadata], ["order 1017", metadata]);
  const other = ledger.transfer("world:BRL", user, 5, "book", { id, reference: "order 1018" });
  await thrown(other, Conflict, "exists_with_different_reference");
  await ledger.batch([commands.transfer("world:BRL", user, 5, "book", { reference: "r" })]);
  const found = [];
  for await (const entry of ledger.statement(user)) found.push([entry.reference, entry.metadata]);
  assert.deepEqual(found, [["r", undefined], ["order 1017", metadata]]);
});

test("batches", async () => {
  const ok = commands.transfer("world:BRL", user, 5, "ok");
  const tooMuch = () => commands.transfer(user, shop, 10_000, "too much");
  const { outcomes } = await ledger.batch([ok, tooMuch()]);
  assert.deepEqual(outcomes.map((outcome) => outcome.status), [201, 422]);
  assert.equal(outcomes[1].problem.members.required, 10_000);
  const more = commands.transfer("world:BRL", user, 5, "more");
  const failed = await thrown(ledger.batch([more, tooMuch()], { atomic: true }), BatchRefused);
  assert.deepEqual([failed.index, failed.batch.outcomes.length], [1, 2]);
  const read = await ledger.batchById(failed.batch.id);
  assert.deepEqual([read.index, read.outcomes], [1, failed.batch.outcomes]);
  await thrown(ledger.batchById(newId()), NotFound);
  assert.equal((await ledger.account(user)).balance, 5n);
  assert.throws(() => ledger.batch([ok], { id: newId() }), TypeError);
});

test("one amount for several accounts", async () => {
  const fees = `fees:${newId()}`;
  await ledger.openAccount(fees, "BRL");
  const options = { id: newId(), reference: "order 1" };
  const splits = [commands.split(shop, 60), commands.split(fees, 3, "fee")];
  const made = await ledger.splitTransfer(user, splits, "order", options);
  assert.equal(made.id, options.id);
  const moved = made.outcomes.map(({ transfer }) => [transfer.amount, transfer.description]);
  assert.deepEqual(moved, [[60, "order"], [3, "fee"]]);
  assert.equal((await ledger.splitTransfer(user, splits, "order", options)).replayed, true);
  const tooMuch = ledger.splitTransfer(user, [commands.split(shop, 1), commands.split(fees, 99)], "no");
  assert.equal((await thrown(tooMuch, BatchRefused)).index, 1);

  const hold = await ledger.transfer(user, shop, 30, "hold", { timeoutS: 60 });
  const part = await ledger.splitPost(hold.id, 20, [commands.split(fees, 2)], { final: false });
  assert.deepEqual(part.outcomes.map(({ transfer }) => transfer.kind), ["post", "transfer"]);
  assert.equal((await ledger.transferById(hold.id)).posted_amount, 20);
  assert.deepEqual([(await ledger.account(shop)).balance, (await ledger.account(fees)).balance], [78n, 5n]);
});

test("operations", async () => {
  const queued = await ledger.operate("world:BRL", user, 9, "later");
  const giveUp = Date.now() + 60_000;
  let found;
  while ((found = await ledger.operation(queued.id)).state === "queued") {
    assert(Date.now() < giveUp);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(found.state, "applied");
  assert.equal((await ledger.account(user)).balance, 9n);
});

test("payments", async () => {
  const id = newId();
  const options = { accountId: user, id, metadata: { shop: "7" } };
  const paid = await ledger.pay(60, "BRL", "invoice 88", options);
  assert.deepEqual([paid.id, paid.state, paid.metadata], [id, "accepted", { shop: "7" }]);
  assert.deepEqual(await ledger.pay(60, "BRL", "invoice 88", options), paid);
  const tooMuch = ledger.pay(41, "BRL", "too much", { accountId: user });
  await thrown(tooMuch, Refused, "insufficient_funds");
  const giveUp = Date.now() + 60_000;
  let found;
  while ((found = await ledger.payment(id)).state !== "settled") {
    assert(Date.now() < giveUp, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(found.processor, "default");
  assert.equal((await ledger.account(user)).balance, -60n);
  const listed = [];
  for await (const payment of ledger.payments({ account: user, state: "settled" })) listed.push(payment.id);
  assert.deepEqual(listed, [id]);
  assert.equal((await ledger.paymentsPage({ account: user })).payments[0].id, id);
  for await (const payment of ledger.payments({ state: "refused", account: user })) assert.fail(payment.id);
  const decision = { resolution: "refuse", attempt: found.attempt, who: "ana", why: "too late" };
  await thrown(ledger.resolve(id, decision), Refused, "payment_in_other_state");
  await thrown(ledger.payment(newId()), NotFound);
});

test("events are followed", async () => {
  const start = (await ledger.eventsPage({ after: "latest" })).next;
  const made = await ledger.transfer("world:BRL", user, 5, "one");
  const types = ["transfer.posted", "command.refused"];
  const events = ledger.events({ after: start, types, account: user });
  const first = (await events.next()).value;
  assert.deepEqual([first.type, first.transfer.id], ["transfer.posted", made.id]);
  await thrown(ledger.transfer(user, shop, 10_000, "too much"), Refused);
  const refused = (await events.next()).value;
  assert.equal(refused.refused.problem.code, "insufficient_funds");
  const page = await ledger.eventsPage({ after: refused.position, account: user, waitS: 1 });
  assert.deepEqual(page.events, []);
  const opened = await ledger.eventsPage({ after: "latest", limit: 1 });
  assert.deepEqual(opened.events, []);
});

test("webhooks are looked at and steered", async () => {
  assert.deepEqual((await ledger.webhooks()).map((found) => found.name), ["orders"]);
  await ledger.transfer("world:BRL", user, 5, "one");
  const giveUp = Date.now() + 60_000;
  let waiting;
  while ((waiting = await ledger.deliveries("orders", { state: "waiting", limit: 5 })).length === 0) {
    assert(Date.now() < giveUp);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert(waiting.every((found) => found.state === "waiting"));
  assert.equal((await ledger.disableWebhook("orders")).state, "disabled");
  assert.notEqual((await ledger.enableWebhook("orders")).state, "disabled");
  assert.equal((await ledger.retryWebhook("orders")).name, "orders");
  const end = (await ledger.eventsPage({ after: "latest" })).next;
  assert.equal((await ledger.replayWebhook("orders", end)).name, "orders");
  await thrown(ledger.deliveries("none"), NotFound);
});
