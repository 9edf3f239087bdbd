//! What is written is read, and nothing stands for two things.

use super::*;

#[test]
fn the_letters_of_a_table_are_different_ones() {
    for (table, letters) in TABLES {
        let mut only: Vec<u8> = letters.iter().map(|(_, letter)| *letter).collect();
        only.sort_unstable();
        only.dedup();
        assert_eq!(only.len(), letters.len(), "{table}");
    }
}

#[test]
fn keys_of_ids_are_read_as_they_are_written() {
    let transfer = TransferId::from_u128(7);
    let batch = BatchId::from_u128(8);
    for (key, named) in [
        (transfer_key(transfer), NamedId::Transfer(transfer)),
        (batch_key(batch), NamedId::Batch(batch)),
    ] {
        assert_eq!(NamedId::of_key(&key), Ok(named));
        assert_eq!(NamedId::of_key(&key[..key.len() - 1]), Err(Damaged));
    }
    assert_eq!(NamedId::of_key(META.as_bytes()), Err(Damaged));
}

#[test]
fn a_record_of_each_known_format_is_read_and_no_other() {
    let mut record = b"LWB30000000300000009".to_vec();
    record.extend([7; 16]);
    record.extend(12_u64.to_be_bytes());
    record.extend(1_700_000_u64.to_be_bytes());
    record.extend(5_u16.to_be_bytes());
    record.extend(8_u64.to_be_bytes());
    record.push(2);
    record.extend(99_u64.to_be_bytes());
    let before = [b"LWB1", &record[4..]].concat();
    record.extend(10_u64.to_be_bytes());
    let with_old_totals = [b"LWB2", &record[4..]].concat();
    let expected = MetaRecord {
        is_old_format: false,
        epoch: "0000000300000009".to_owned(),
        ledger: [7; 16],
        position: 12,
        newest: Timestamp::from_nanos(1_700_000_005),
        trimmed: 8,
        filters_count: 2,
        let_go: 10,
    };
    assert_eq!(MetaRecord::decode(&record), Ok(expected.clone()));
    let older = |let_go| MetaRecord {
        is_old_format: true,
        let_go,
        ..expected.clone()
    };
    assert_eq!(MetaRecord::decode(&before), Ok(older(8)));
    assert_eq!(MetaRecord::decode(&with_old_totals), Ok(older(10)));
    let cut = &record[..record.len() - 1];
    assert_eq!(MetaRecord::decode(cut), Err(UnreadMeta::Damaged));
    record[3] = b'4';
    assert_eq!(MetaRecord::decode(&record), Err(UnreadMeta::UnknownFormat));
}
