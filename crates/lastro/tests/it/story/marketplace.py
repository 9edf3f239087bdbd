"""A month of a marketplace, told through the client: top-ups, holds, captures, splits, refunds, the month's end.

It prints the address that its webhook receiver listens on, reads the server's from its input, plays, checks all that it
was answered against books of its own, and prints these at the end. Every command is given twice at random. What the
engine does not have (`LASTRO_WITHOUT=parts,reversals,lists`) is done in another way that comes to the same books.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lastro import Lastro, Refused, commands

SEED = int(os.environ["LASTRO_SEED"])
SECRET = base64.b64decode(os.environ["LASTRO_WEBHOOK_SECRET"].removeprefix("whsec_"))
WITHOUT = set(filter(None, os.environ["LASTRO_WITHOUT"].split(",")))
BUYERS = [f"buyers:{number}" for number in range(50)]
SELLERS = [f"sellers:{number}" for number in range(3)]
ESCROW, FEES, TAX, WORLD = "market:escrow", "market:fees", "market:tax", "world:BRL"
ORDERS = 60
PATIENCE_S = 120

# Chance of its own: ids, and what is given twice, must not change what is bought.
rng = random.Random(SEED)
twice = random.Random(SEED + 1)


class Receiver(BaseHTTPRequestHandler):
    """Takes a message after it has verified it, as https://www.standardwebhooks.com says."""

    received: Counter[str] = Counter()
    events: dict[str, dict] = {}
    wrong: list[str] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        message = self.headers["webhook-id"]
        head = f"{message}.{self.headers['webhook-timestamp']}."
        signed = hmac.new(SECRET, head.encode() + body, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(signed).decode()
        if expected not in self.headers["webhook-signature"].split(" "):
            self.wrong.append(message)
        if abs(time.time() - int(self.headers["webhook-timestamp"])) > 300:
            self.wrong.append(message)
        self.received[message] += 1
        self.events[message] = json.loads(body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Books:
    """The ledger, and what its accounts have to come to."""

    def __init__(self, bank):
        self.bank = bank
        self.balances = defaultdict(int)
        self.moved = set()
        self.repeated = 0

    def again(self, answer, give):
        """Gives a command a second time, or not: the answer has to be the first one's."""
        if twice.random() < 0.5:
            self.repeated += 1
            repeated = give()
            assert repeated.replayed, repeated
            assert repeated.id == answer.id and not answer.replayed, (answer, repeated)
        return answer

    def book(self, transfer):
        self.balances[transfer.debit_account_id] -= transfer.amount
        self.balances[transfer.credit_account_id] += transfer.amount
        self.moved.add(str(transfer.id))
        return transfer

    def transfer(self, debit, credit, amount, **more):
        id = uuid.uuid4()

        def give():
            return self.bank.transfer(debit, credit, amount, "story", id=id, **more)

        answer = self.again(give(), give)
        return answer if answer.kind == "pend" else self.book(answer)

    def post(self, pending, amount=None, *, final=None):
        id = uuid.uuid4()
        more = {} if final is None else {"final": final}

        def give():
            return self.bank.post(pending.id, amount=amount, id=id, **more)

        return self.book(self.again(give(), give))

    def void(self, pending):
        id = uuid.uuid4()

        def give():
            return self.bank.void(pending.id, id=id)

        return self.again(give(), give)

    def split(self, order, shares):
        """From the escrow to each of the shares, all or nothing."""
        id = uuid.uuid4()
        splits = [commands.split(account, amount) for account, amount in shares.items()]

        def give():
            return self.bank.split_transfer(ESCROW, splits, "story", id=id, reference=order)

        answer = self.again(give(), give)
        return [self.book(outcome.transfer) for outcome in answer.outcomes]

    def refund(self, share, buyer, amount):
        """Back from the seller, by way of the escrow."""
        if "reversals" in WITHOUT:
            self.transfer(share.credit_account_id, ESCROW, amount, reference="refund")
        else:
            id = uuid.uuid4()

            def give():
                return self.bank.reverse(share.id, "story", amount=amount, id=id)

            self.book(self.again(give(), give))
            try:
                self.bank.reverse(share.id, "story", amount=share.amount)
                raise AssertionError("more was moved back than was moved")
            except Refused as refused:
                assert refused.problem.code == "amount_exceeds_reversible", refused
        self.transfer(ESCROW, buyer, amount, reference="refund")


def open_accounts(bank):
    for account in [*BUYERS, *SELLERS, ESCROW, FEES, TAX]:
        opened = bank.open_account(account, "BRL")
        if twice.random() < 0.5:
            assert bank.open_account(account, "BRL") == opened


def play(books):
    for number, buyer in enumerate(BUYERS):
        metadata = {"channel": "pix"}
        amount = rng.randrange(5_000, 20_000)
        books.transfer(WORLD, buyer, amount, reference=f"top-up-{number}", metadata=metadata)
    for number in range(ORDERS):
        buyer, seller = rng.choice(BUYERS), rng.choice(SELLERS)
        price = rng.randrange(500, 8_000)
        is_given_up, part = rng.random() < 0.1, rng.randrange(1, price)
        fee, tax = price * 8 // 100, price * 2 // 100
        is_returned, back = rng.random() < 0.2, rng.randrange(1, price - fee - tax)
        order = f"order-{number}"
        try:
            hold = books.transfer(buyer, ESCROW, price, timeout_s=3_600, reference=order)
        except Refused as refused:
            assert refused.problem.code == "insufficient_funds", refused
            assert refused.problem.members["available"] == books.balances[buyer] < price
            continue
        if is_given_up:
            books.void(hold)
            continue
        if "parts" in WITHOUT:
            books.post(hold)
        else:
            books.post(hold, part, final=False)
            books.post(hold, price - part)
        shares = {seller: price - fee - tax, FEES: fee, TAX: tax}
        shares = {account: amount for account, amount in shares.items() if amount}
        split = books.split(order, shares)
        if is_returned:
            books.refund(split[0], buyer, back)
    # The month's end: the sellers take their money out.
    for seller in SELLERS:
        if books.balances[seller]:
            books.transfer(seller, WORLD, books.balances[seller], reference="payout")


def check(books):
    bank = books.bank
    for account, balance in books.balances.items():
        assert bank.account(account).balance == balance, account
        assert bank.account(account).debits_pending == 0, account
    # The trial balance.
    ids = [*BUYERS, *SELLERS, ESCROW, FEES, TAX, WORLD]
    if "lists" in WITHOUT:
        balances = {id: bank.account(id).balance for id in ids}
    else:
        balances = {one.account_id: one.balance for one in bank.balances(currency="BRL", page=7)}
        page = bank.balances_page(currency="BRL", limit=1_000)
        (total,) = page.totals
        assert total.balance == 0 < total.credit_balances, total
        # The same moment later, and before the first of it.
        again = bank.balances_page(currency="BRL", limit=1_000, at=page.at)
        assert again == page
        nothing = bank.balances_page(currency="BRL", limit=1_000, at="2020-01-01", tz="America/Sao_Paulo")
        assert nothing.balances == (), nothing
    assert balances == {id: books.balances[id] for id in ids}
    assert sum(balances.values()) == 0
    # The statements of the month, oldest first: from nothing to the balance, line by line.
    for id in [*SELLERS, ESCROW, FEES, TAX, *BUYERS[:5]]:
        balance, count = 0, 0
        for entry in bank.statement(id, order="asc", page=13):
            sign = 1 if entry.credit_account_id == id else -1
            balance += sign * entry.amount
            count += 1
            assert (entry.balance_after, entry.number) == (balance, count), entry
            assert entry.description == "story", entry
        assert balance == books.balances[id], id
        window = bank.statement_page(id, order="asc", from_="2020-01-01T00:00:00Z").window
        assert (window.opening_balance, window.closing_balance) == (0, balance), window


def check_messages(books):
    """Every movement was received, each message verified, and nothing else was told."""
    wanted = {"transfer.posted", "transfer.reversed"}
    until = time.monotonic() + PATIENCE_S
    while True:
        told = [event for event in Receiver.events.copy().values() if event["type"] in wanted]
        ids = {event["data"]["transfer"]["id"] for event in told}
        if ids >= books.moved:
            break
        assert time.monotonic() < until, f"{len(ids)} of {len(books.moved)}"
        time.sleep(0.1)
    assert ids == books.moved
    assert not Receiver.wrong, Receiver.wrong


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    with Lastro(sys.stdin.readline().strip()) as bank:
        books = Books(bank)
        open_accounts(bank)
        play(books)
        check(books)
        check_messages(books)
        assert books.repeated > 50, books.repeated
        print(json.dumps(books.balances, sort_keys=True))


main()
