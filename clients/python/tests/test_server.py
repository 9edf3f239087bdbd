"""Every method against a real server, whose address is in `LASTRO_URL`."""

from __future__ import annotations

import asyncio
import os
import time
import unittest

from lastro import (
    AsyncLastro,
    BatchRefused,
    Conflict,
    Lastro,
    NotFound,
    Refused,
    commands,
    new_id,
)

URL = os.environ["LASTRO_URL"]


class Server(unittest.TestCase):
    def setUp(self) -> None:
        self.ledger = Lastro(URL)
        self.addCleanup(self.ledger.close)
        self.user, self.shop = f"users:{new_id()}", f"shops:{new_id()}"
        self.ledger.open_account(self.user, "BRL", credit_limit=100)
        self.ledger.open_account(self.shop, "BRL")

    def test_accounts(self) -> None:
        ledger = self.ledger
        self.assertEqual(ledger.account(self.user).available, 100)
        self.assertIsNone(ledger.account("world:BRL").available)
        again = ledger.open_account(self.user, "BRL", credit_limit=100)
        self.assertEqual(again.id, self.user)
        with self.assertRaises(Conflict):
            ledger.open_account(self.user, "USD", credit_limit=100)
        changed = ledger.change_limit(self.user, 200, expected_credit_limit=100)
        self.assertEqual(changed.credit_limit, 200)
        with self.assertRaises(Conflict) as raised:
            ledger.change_limit(self.user, 300, expected_credit_limit=100)
        self.assertEqual(raised.exception.code, "account_in_other_state")
        frozen = ledger.change_freeze(self.user, "debits", expected_frozen="none")
        self.assertEqual((frozen.frozen, ledger.account(self.shop).frozen), ("debits", "none"))
        with self.assertRaises(Refused) as refused:
            ledger.transfer(self.user, self.shop, 1, "stopped")
        self.assertEqual(refused.exception.code, "account_frozen")
        with self.assertRaises(Conflict):
            ledger.change_freeze(self.user, "both", expected_frozen="none")
        thaw = commands.change_freeze(self.user, "none", expected_frozen="debits")
        self.assertEqual([one.code for one in ledger.batch([thaw]).outcomes], ["created"])
        self.assertTrue(ledger.close_account(self.shop, expected_entry_count=0).closed)
        with self.assertRaises(NotFound):
            ledger.account("nobody")

    def test_limits_say_who_gave_them_and_why(self) -> None:
        ledger = self.ledger
        ledger.change_limit(self.user, 200, who="ana", why="ticket 4711")
        ledger.change_limit(self.user, 300, why="more")
        ledger.change_freeze(self.user, "debits", who="ana")
        told = [(one.credit_limit, one.who, one.why) for one in ledger.limits(self.user, page=2)]
        self.assertEqual(told, [(300, None, "more"), (200, "ana", "ticket 4711"), (100, None, None)])
        first = ledger.limits_page(self.user, order="asc", limit=1)
        self.assertEqual(first.limits[0].credit_limit, 100)
        self.assertIsNotNone(first.next_cursor)
        with self.assertRaises(Refused) as refused:
            ledger.close_account(self.shop, why=" ")
        self.assertEqual(refused.exception.code, "description_invalid")

    def test_accounts_are_walked_in_pages(self) -> None:
        prefix = f"walk:{new_id()}:"
        ids = [f"{prefix}{number}" for number in range(7)]
        for id in ids:
            self.ledger.open_account(id, "BRL")
        self.ledger.close_account(ids[3])
        walked = [found.id for found in self.ledger.accounts(prefix=prefix, page=2)]
        self.assertEqual(walked, ids)
        open = self.ledger.accounts(prefix=prefix, currency="BRL", closed=False)
        self.assertEqual([found.id for found in open], ids[:3] + ids[4:])
        page = self.ledger.accounts_page(prefix=prefix, closed=True, limit=1)
        self.assertEqual([found.id for found in page.accounts], [ids[3]])

    def test_balances_of_one_moment(self) -> None:
        ledger, prefix = self.ledger, f"trial:{new_id()}:"
        ids = [f"{prefix}{number}" for number in range(5)]
        for number, id in enumerate(ids):
            ledger.open_account(id, "BRL")
            ledger.transfer("world:BRL", id, number + 1, "top-up")
        moment = ledger.balances_page(prefix=prefix).at
        paid = ledger.transfer(ids[4], ids[0], 5, "later")
        then = {one.account_id: one.balance for one in ledger.balances(at=moment, page=2)}
        self.assertEqual([then[id] for id in ids], [1, 2, 3, 4, 5])
        now = ledger.balances_page(prefix=prefix)
        self.assertEqual([one.balance for one in now.balances], [6, 2, 3, 4, 0])
        assert now.totals is not None
        total = now.totals[0]
        self.assertEqual((total.currency, total.debit_balances, total.balance), ("BRL", 0, 15))
        cursor, totals = None, None
        while totals is None:
            page = ledger.balances_page(at="9999-12-31", tz="America/Sao_Paulo", cursor=cursor)
            cursor, totals = page.next_cursor, page.totals
        self.assertEqual({total.balance for total in totals}, {0})
        world = ledger.balance("world:BRL", at=paid.timestamp)
        self.assertIsNone(world.entry_number)

    def test_transfers(self) -> None:
        ledger, id = self.ledger, new_id()
        first = ledger.transfer("world:BRL", self.user, 50, "top-up", id=id)
        again = ledger.transfer("world:BRL", self.user, 50, "top-up", id=id)
        self.assertEqual((first.replayed, again.replayed), (False, True))
        assert first.credit is not None
        self.assertEqual(first.credit.balance_after, 50)
        with self.assertRaises(Conflict):
            ledger.transfer("world:BRL", self.user, 51, "top-up", id=id)
        hold = ledger.transfer(self.user, self.shop, 80, "hotel", timeout_s=60)
        post = ledger.post(hold.id, amount=70)
        self.assertEqual((post.pending_id, post.amount), (hold.id, 70))
        found = ledger.transfer_by_id(hold.id)
        self.assertEqual((found.pending_state, found.posted_amount), ("posted", 70))
        self.assertEqual(found.ended_by, post.id)
        with self.assertRaises(Refused) as raised:
            ledger.void(hold.id)
        self.assertEqual(raised.exception.code, "pending_already_posted")
        held = ledger.transfer("world:BRL", self.shop, 90, "parcels", timeout_s=60)
        part = ledger.post(held.id, amount=30, final=False)
        self.assertEqual((part.kind, part.final, part.amount), ("post", False, 30))
        found = ledger.transfer_by_id(held.id)
        self.assertEqual((found.pending_state, found.posted_amount), ("pending", 30))
        self.assertEqual(found.expires_at, held.expires_at)
        with self.assertRaises(Refused) as more:
            ledger.post(held.id, amount=61, final=False)
        self.assertEqual(more.exception.code, "amount_exceeds_pending")
        parts = ledger.batch([commands.post(held.id, amount=20, final=False)], atomic=True)
        self.assertEqual([outcome.code for outcome in parts.outcomes], ["created"])
        self.assertEqual(ledger.post(held.id).amount, 40)
        self.assertEqual(ledger.transfer_by_id(held.id).posted_amount, 90)
        other = ledger.transfer(self.user, self.shop, 1, "hotel", timeout_s=0)
        self.assertEqual(ledger.void(other.id).kind, "void")
        refund = ledger.reverse(post.id, "refund", amount=20, reference="return 88")
        self.assertEqual((refund.kind, refund.reverses, refund.amount), ("reverse", post.id, 20))
        self.assertEqual(ledger.transfer_by_id(post.id).reversed_amount, 20)
        with self.assertRaises(Refused) as refused:
            ledger.reverse(post.id, "refund", amount=51)
        self.assertEqual(refused.exception.code, "amount_exceeds_reversible")
        batch = ledger.batch([commands.reverse(post.id, "refund")], atomic=True)
        back = batch.outcomes[0].transfer
        assert back is not None
        self.assertEqual(back.amount, 50)
        self.assertEqual(ledger.balance(self.user, after=first.id).balance, 50)
        self.assertEqual(ledger.balance(self.user, at=first.timestamp).balance, 50)

    def test_transfers_are_listed_by_account_and_by_reference(self) -> None:
        ledger, reference = self.ledger, f"order {new_id()}"
        made = [
            ledger.transfer("world:BRL", self.user, n, f"n{n}", reference=reference).id
            for n in range(1, 6)
        ]
        other = ledger.transfer("world:BRL", self.shop, 1, "other", reference=reference)
        hold = ledger.transfer(self.user, self.shop, 2, "hold", timeout_s=60)
        listed = [found.id for found in ledger.transfers(account=self.user, page=2)]
        self.assertEqual(listed, [hold.id, *reversed(made)])
        listed = [found.id for found in ledger.transfers(reference=reference, page=2, order="asc")]
        self.assertEqual(listed, [*made, other.id])
        both = ledger.transfers(account=self.shop, reference=reference)
        self.assertEqual([found.id for found in both], [other.id])
        pending = list(ledger.transfers(account=self.user, kind="pend", state="pending"))
        self.assertEqual(pending, [ledger.transfer_by_id(hold.id)])
        self.assertEqual(pending[0].pending_state, "pending")
        ledger.void(hold.id)
        voided = ledger.transfers(account=self.user, kind="pend", state="voided")
        self.assertEqual([found.id for found in voided], [hold.id])
        times = [ledger.transfer_by_id(id).timestamp for id in made]
        window = ledger.transfers(account=self.user, from_=times[1], to=times[3])
        self.assertEqual([found.amount for found in window], [3, 2])
        page = ledger.transfers_page(account=self.user, limit=1)
        self.assertEqual((len(page.transfers), page.next_cursor is None), (1, False))

    def test_the_systems_accounts_have_statements_too(self) -> None:
        made = self.ledger.transfer("world:BRL", self.user, 5, "top-up")
        page = self.ledger.statement_page("world:BRL", from_=made.timestamp, order="asc", limit=1)
        entry = page.entries[0]
        self.assertEqual((entry.transfer_id, entry.amount), (made.id, 5))
        self.assertEqual((entry.number, entry.balance_after), (None, None))
        assert page.window is not None
        self.assertIsNone(page.window.opening_balance)

    def test_statements_are_walked_in_pages(self) -> None:
        members = [commands.transfer("world:BRL", self.user, 1, f"n{n}") for n in range(7)]
        self.assertEqual(
            {outcome.code for outcome in self.ledger.batch(members).outcomes}, {"created"}
        )
        entries = list(self.ledger.statement(self.user, page=3))
        self.assertEqual([entry.number for entry in entries], [7, 6, 5, 4, 3, 2, 1])
        self.assertEqual(self.ledger.statement_page(self.user, limit=3).entries, tuple(entries[:3]))

    def test_statements_of_a_window_add_up(self) -> None:
        members = [commands.transfer("world:BRL", self.user, n, f"n{n}") for n in range(1, 8)]
        self.ledger.batch(members)
        whole = list(self.ledger.statement(self.user, order="asc", page=2))
        self.assertEqual([entry.amount for entry in whole], [1, 2, 3, 4, 5, 6, 7])
        from_, to = whole[2].timestamp, whole[5].timestamp
        entries = list(self.ledger.statement(self.user, from_=from_, to=to, order="asc", page=2))
        self.assertEqual([entry.amount for entry in entries], [3, 4, 5])
        window = self.ledger.statement_page(self.user, from_=from_, to=to).window
        assert window is not None
        self.assertEqual((window.opening_balance, window.closing_balance), (3, 15))
        self.assertEqual((window.entries_count, window.order), (3, "desc"))

    def test_transfers_say_what_they_are_for(self) -> None:
        id, metadata = new_id(), {"shop": "7"}
        made = self.ledger.transfer(
            "world:BRL", self.user, 5, "book", id=id, reference="order 1017", metadata=metadata
        )
        self.assertEqual((made.reference, made.metadata), ("order 1017", metadata))
        with self.assertRaises(Conflict) as raised:
            self.ledger.transfer("world:BRL", self.user, 5, "book", id=id, reference="order 1018")
        self.assertEqual(raised.exception.code, "exists_with_different_reference")
        member = commands.transfer("world:BRL", self.user, 5, "book", reference="r")
        self.ledger.batch([member])
        found = [(entry.reference, entry.metadata) for entry in self.ledger.statement(self.user)]
        self.assertEqual(found, [("r", None), ("order 1017", metadata)])

    def test_batches(self) -> None:
        ok = commands.transfer("world:BRL", self.user, 5, "ok")
        too_much = commands.transfer(self.user, self.shop, 10_000, "too much")
        outcomes = self.ledger.batch([ok, too_much]).outcomes
        self.assertEqual([outcome.status for outcome in outcomes], [201, 422])
        assert outcomes[1].problem is not None
        self.assertEqual(outcomes[1].problem.members["required"], 10_000)
        more = commands.transfer("world:BRL", self.user, 5, "more")
        with self.assertRaises(BatchRefused) as raised:
            self.ledger.batch([more, {**too_much, "id": str(new_id())}], atomic=True)
        self.assertEqual(raised.exception.index, 1)
        self.assertEqual(len(raised.exception.batch.outcomes), 2)
        failed = raised.exception.batch
        assert failed.id is not None
        found = self.ledger.batch_by_id(failed.id)
        self.assertEqual((found.index, found.outcomes), (1, failed.outcomes))
        with self.assertRaises(NotFound):
            self.ledger.batch_by_id(new_id())
        self.assertEqual(self.ledger.account(self.user).balance, 5)

    def test_one_amount_for_several_accounts(self) -> None:
        ledger, fees = self.ledger, f"fees:{new_id()}"
        ledger.open_account(fees, "BRL")
        splits, id = [commands.split(self.shop, 60), commands.split(fees, 3, "fee")], new_id()
        made = ledger.split_transfer(self.user, splits, "order", id=id, reference="order 1")
        moved = [one.transfer for one in made.outcomes if one.transfer]
        self.assertEqual(made.id, id)
        self.assertEqual([one.description for one in moved], ["order", "fee"])
        self.assertEqual([one.reference for one in moved], ["order 1", "order 1"])
        again = ledger.split_transfer(self.user, splits, "order", id=id, reference="order 1")
        self.assertTrue(again.replayed)
        too_much = [commands.split(self.shop, 1), commands.split(fees, 99)]
        with self.assertRaises(BatchRefused) as refused:
            ledger.split_transfer(self.user, too_much, "no")
        self.assertEqual(refused.exception.index, 1)

        hold = ledger.transfer(self.user, self.shop, 30, "hold", timeout_s=60)
        part = ledger.split_post(hold.id, 20, [commands.split(fees, 2)], final=False)
        self.assertEqual([one.code for one in part.outcomes], ["created", "created"])
        self.assertEqual(ledger.transfer_by_id(hold.id).posted_amount, 20)
        balances = [ledger.account(id).balance for id in (self.shop, fees)]
        self.assertEqual(balances, [78, 5])

    def test_operations(self) -> None:
        queued = self.ledger.operate("world:BRL", self.user, 9, "later")
        give_up = time.monotonic() + 60
        while (found := self.ledger.operation(queued.id)).state == "queued":
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.01)
        self.assertEqual(found.state, "applied")
        self.assertEqual(self.ledger.account(self.user).balance, 9)

    def test_payments(self) -> None:
        id = new_id()
        paid = self.ledger.pay(
            60, "BRL", "invoice 88", account_id=self.user, id=id, reference="order 7"
        )
        self.assertEqual((paid.id, paid.state, paid.reference), (id, "accepted", "order 7"))
        again = self.ledger.pay(
            60, "BRL", "invoice 88", account_id=self.user, id=id, reference="order 7"
        )
        self.assertEqual(again, paid)
        with self.assertRaises(Refused) as raised:
            self.ledger.pay(41, "BRL", "too much", account_id=self.user)
        self.assertEqual(raised.exception.code, "insufficient_funds")
        give_up = time.monotonic() + 60
        while (found := self.ledger.payment(id)).state != "settled":
            self.assertLess(time.monotonic(), give_up, found)
            time.sleep(0.01)
        self.assertEqual(found.processor, "default")
        self.assertEqual(self.ledger.account(self.user).balance, -60)
        listed = list(self.ledger.payments(account=self.user))
        self.assertEqual(listed, [found])
        listed = list(self.ledger.payments(state="settled", reference="order 7", account=self.user))
        self.assertEqual([payment.id for payment in listed], [id])
        self.assertEqual(list(self.ledger.payments(state="refused", account=self.user)), [])
        page = self.ledger.payments_page(account=self.user, order="desc", limit=1)
        self.assertEqual(page.payments, (found,))
        with self.assertRaises(Refused) as late:
            self.ledger.resolve(
                id, resolution="refuse", attempt=found.attempt, who="ana", why="too late"
            )
        self.assertEqual(late.exception.code, "payment_in_other_state")
        with self.assertRaises(NotFound):
            self.ledger.payment(new_id())

    def test_events_are_followed(self) -> None:
        start = self.ledger.events_page(after="latest").next
        made = self.ledger.transfer("world:BRL", self.user, 5, "one")
        wanted = ["transfer.posted", "command.refused"]
        events = self.ledger.events(after=start, types=wanted, account=self.user)
        first = next(events)
        assert first.transfer is not None
        self.assertEqual((first.type, first.transfer.id), ("transfer.posted", made.id))
        with self.assertRaises(Refused):
            self.ledger.transfer(self.user, self.shop, 10_000, "too much")
        refused = next(events)
        self.assertEqual(refused.members["refused"]["problem"]["code"], "insufficient_funds")
        page = self.ledger.events_page(after=refused.position, account=self.user, wait_s=1)
        self.assertEqual(page.events, ())
        opened = self.ledger.events_page(after=start, types=["account.opened"], limit=1)
        self.assertEqual(opened.events, ())

    def test_webhooks_are_looked_at_and_steered(self) -> None:
        ledger = self.ledger
        self.assertEqual([found.name for found in ledger.webhooks()], ["orders"])
        ledger.transfer("world:BRL", self.user, 5, "one")
        give_up = time.monotonic() + 60
        while not (waiting := ledger.deliveries("orders", state="waiting", limit=5)):
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.01)
        self.assertEqual({found.state for found in waiting}, {"waiting"})
        self.assertEqual(ledger.disable_webhook("orders").state, "disabled")
        self.assertNotEqual(ledger.enable_webhook("orders").state, "disabled")
        self.assertEqual(ledger.retry_webhook("orders").name, "orders")
        end = ledger.events_page(after="latest").next
        self.assertEqual(ledger.replay_webhook("orders", end).name, "orders")
        with self.assertRaises(NotFound):
            ledger.deliveries("none")

    def test_asyncio(self) -> None:
        async def act() -> list[int | None]:
            async with AsyncLastro(URL) as ledger:
                top_up = [ledger.transfer("world:BRL", self.user, 1, "t") for _ in range(20)]
                await asyncio.gather(*top_up)
                return [entry.number async for entry in ledger.statement(self.user, page=7)]

        self.assertEqual(asyncio.run(act()), list(range(20, 0, -1)))

    def test_asyncio_follows_events(self) -> None:
        async def act() -> list[str]:
            async with AsyncLastro(URL) as ledger:
                start = (await ledger.events_page(after="latest")).next
                for number in range(3):
                    await ledger.transfer("world:BRL", self.user, 1, f"n{number}")
                found: list[str] = []
                async for event in ledger.events(after=start, account=self.user):
                    assert event.transfer is not None
                    found.append(event.transfer.description)
                    if len(found) == 3:
                        break
                return found

        self.assertEqual(asyncio.run(act()), ["n0", "n1", "n2"])


if __name__ == "__main__":
    unittest.main()
