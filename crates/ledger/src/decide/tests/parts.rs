//! Parts of pending transfers that are posted while the rest stays reserved.

use super::check;

#[test]
fn a_part_is_posted_and_the_rest_stays_reserved() {
    check(
        "
        open a BRL 100
        open b BRL 0
        pend 1 a b 60
        pending 1 -> pending posted=-
        part 2 1 25
        account a -> balance=-25 available=40 pending=35/0
        account b -> balance=25 available=25 pending=0/35
        pending 1 -> pending posted=25
        part 3 1 10
        account a -> balance=-35 available=40 pending=25/0
        pending 1 -> pending posted=35
        post 4 1 20
        account a -> balance=-55 available=45 pending=0/0
        account b -> balance=55 available=55 pending=0/0
        pending 1 -> posted by=4 posted=55
        post 5 1 -> pending_already_posted 1
        part 6 1 1 -> pending_already_posted 1
        void 7 1 -> pending_already_posted 1
        ",
    );
}

#[test]
fn the_last_post_without_an_amount_posts_what_is_left() {
    check(
        "
        open a BRL 100
        pend 1 a world:BRL 60
        part 2 1 25
        post 3 1
        account a -> balance=-60 available=40 pending=0/0
        pending 1 -> posted by=3 posted=60
        post 3 1 -> exists
        post 3 1 35 -> exists_with_different_amount
        ",
    );
}

#[test]
fn the_part_that_reaches_the_whole_ends_it() {
    check(
        "
        open a BRL 100
        pend 1 a world:BRL 60
        part 2 1 25
        part 3 1 35
        account a -> balance=-60 available=40 pending=0/0
        pending 1 -> posted by=3 posted=60
        part 4 1 1 -> pending_already_posted 1
        pend 5 a world:BRL 40 timeout=9
        part 6 5 40
        pending 5 -> posted by=6 posted=40
        at 20
        pending 5 -> posted by=6 posted=40
        account a -> balance=-100 available=0 pending=0/0
        ",
    );
}

#[test]
fn no_post_passes_what_is_left() {
    check(
        "
        open a BRL 100
        pend 1 a world:BRL 60
        part 2 1 0 -> amount_out_of_range 0
        part 2 1 max+1 -> amount_out_of_range 9007199254740992
        part 2 1 61 -> amount_exceeds_pending available=60 required=61
        part 3 1 25
        part 4 1 36 -> amount_exceeds_pending available=35 required=36
        post 5 1 36 -> amount_exceeds_pending available=35 required=36
        part 4 1 36 -> exists: amount_exceeds_pending available=35 required=36
        account a -> balance=-25 available=40 pending=35/0
        part 6 1 35
        ",
    );
}

#[test]
fn what_parts_have_left_is_voided() {
    check(
        "
        open a BRL 100
        open b BRL 0
        pend 1 a b 60
        part 2 1 25
        void 3 1
        account a -> balance=-25 available=75 pending=0/0
        account b -> balance=25 available=25 pending=0/0
        pending 1 -> voided by=3 posted=25
        part 4 1 1 -> pending_already_voided 1
        pend 5 a b 10
        void 6 5
        pending 5 -> voided by=6 posted=-
        ",
    );
}

#[test]
fn what_parts_have_left_expires() {
    check(
        "
        open a BRL 100
        open b BRL 0
        at 0
        pend 1 a b 60 timeout=5
        part 2 1 25
        at 4.999999999
        account a -> balance=-25 available=40 pending=35/0
        at 5
        account a -> balance=-25 available=75 pending=0/0
        account b -> balance=25 available=25 pending=0/0
        pending 1 -> expired by=- posted=25
        part 3 1 1 -> pending_expired 1
        part 2 1 25 -> exists
        ",
    );
}

#[test]
fn a_repeated_id_is_compared_with_whether_the_post_is_final() {
    check(
        "
        open a BRL 100
        pend 1 a world:BRL 60
        pend 9 a world:BRL 1
        part 2 1 25
        part 2 1 25 -> exists
        part 2 1 24 -> exists_with_different_amount
        part 2 9 25 -> exists_with_different_pending_id
        post 2 1 25 -> exists_with_different_final
        post 2 1 -> exists_with_different_amount
        void 2 1 -> exists_with_different_kind
        post 3 1 10
        part 3 1 10 -> exists_with_different_final
        part 4 1 99 -> pending_already_posted 1
        post 4 1 99 -> exists_with_different_final
        account a -> balance=-35 available=64 pending=1/0
        ",
    );
}

#[test]
fn parts_are_reversed_as_posts_are() {
    check(
        "
        open a BRL 100
        open b BRL 0
        pend 1 a b 60
        reverse 8 1 -> transfer_not_reversible 1 nothing_moved
        part 2 1 25
        reverse 3 1 -> transfer_not_reversible 1 pend
        reverse 4 2 5
        reversed 2 -> 5
        part 5 1 10
        account a -> balance=-30 available=45 pending=25/0
        reverse 6 2
        reverse 7 5
        void 9 1
        account a -> balance=0 available=100 pending=0/0
        pending 1 -> voided by=9 posted=35
        ",
    );
}

#[test]
fn parts_in_an_atomic_batch_see_each_other() {
    check(
        "
        open a BRL 100
        atomic 1: pend 1 a world:BRL 60; part 2 1 25; part 3 1 25; post 4 1 -> created; created; created; created
        pending 1 -> posted by=4 posted=60
        atomic 2: pend 5 a world:BRL 40; part 6 5 30; part 7 5 11 -> batch_member_failed; batch_member_failed; amount_exceeds_pending available=10 required=11
        account a -> balance=-60 available=40 pending=0/0
        ",
    );
}

#[test]
fn a_held_amount_is_not_available_to_others_between_parts() {
    check(
        "
        open a BRL 60
        pend 1 a world:BRL 60
        part 2 1 1
        transfer 3 a world:BRL 1 -> insufficient_funds a available=0 required=1 limit=60
        close a -> account_in_use a balance=-1 pending=59/0
        limit a 59 -> insufficient_funds a available=0 required=60 limit=59
        post 4 1 58
        transfer 5 a world:BRL 1
        ",
    );
}
