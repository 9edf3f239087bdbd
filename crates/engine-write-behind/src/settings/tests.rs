//! What is taken and what is refused, and how a first rewrite is told from a later one.

use super::*;

const GOOD: [(&str, &str); 9] = [
    ("appendonly", "yes"),
    ("aof_enabled", "1"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
    ("maxmemory-policy", "noeviction"),
    ("aof_last_write_status", "ok"),
    ("aof_rewrite_in_progress", "0"),
    ("aof_rewrite_scheduled", "0"),
    ("cmdstat_config|set", "calls=1,usec=7"),
];

fn found(changes: &[(&str, &str)]) -> Found {
    let all = GOOD.iter().chain(changes);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn judged(
    asked: RedisDurability,
    changes: &[(&str, &str)],
    before: &mut Before,
) -> Result<RedisDurability, String> {
    judge(asked, &found(changes), before)
        .map(|settings| settings.durability)
        .map_err(|wrong| wrong.to_string())
}

#[test]
fn only_a_redis_that_keeps_what_it_answers_is_taken() {
    use RedisDurability::{Always, Everysec};
    let fresh = Before::default;
    assert_eq!(judged(Always, &[], &mut fresh()), Ok(Always));
    assert_eq!(judged(Everysec, &[], &mut fresh()), Ok(Always));
    let everysec = ("appendfsync", "everysec");
    assert_eq!(judged(Everysec, &[everysec], &mut fresh()), Ok(Everysec));
    for (asked, change, says) in [
        (Always, everysec, "appendfsync everysec"),
        (Everysec, ("appendfsync", "no"), "appendfsync no"),
        (Everysec, ("appendonly", "no"), "appendonly no"),
        (Always, ("aof_enabled", "0"), "appendonly no"),
        (
            Always,
            ("no-appendfsync-on-rewrite", "yes"),
            "no-appendfsync-on-rewrite",
        ),
        (
            Everysec,
            ("no-appendfsync-on-rewrite", "yes"),
            "no-appendfsync-on-rewrite",
        ),
        (Always, ("maxmemory-policy", "allkeys-lru"), "allkeys-lru"),
    ] {
        let error = judged(asked, &[change], &mut fresh()).unwrap_err();
        assert!(error.contains(says), "{error}");
        assert!(error.contains("CONFIG REWRITE"), "{error}");
    }
    let unsynced = [everysec, ("no-appendfsync-on-rewrite", "yes")];
    let error = judged(Everysec, &unsynced, &mut fresh()).unwrap_err();
    assert!(error.contains("no-appendfsync-on-rewrite"), "{error}");
    let failed = ("aof_last_write_status", "err");
    let error = judged(Always, &[failed], &mut fresh()).unwrap_err();
    assert!(error.contains("aof_last_write_status"), "{error}");
}

#[test]
fn a_rewrite_is_the_first_one_unless_the_file_was_seen_whole() {
    let rewrites = [("aof_rewrite_in_progress", "1")];
    let scheduled = [("aof_rewrite_scheduled", "1")];
    let mut before = Before::default();
    let mut says =
        |changes: &[(&str, &str)]| match judged(RedisDurability::Always, changes, &mut before) {
            Ok(_) => "good",
            Err(error) if error.contains("whole file") => "no file",
            Err(_) => "bad",
        };
    assert_eq!(says(&rewrites), "no file");
    assert_eq!(says(&scheduled), "no file");
    assert_eq!(says(&[]), "good");
    assert_eq!(says(&rewrites), "good");
    // Switched off, and on again.
    assert_eq!(says(&[("appendonly", "no")]), "bad");
    assert_eq!(says(&rewrites), "no file");
    assert_eq!(says(&[]), "good");
    // Both between two looks.
    let set = ("cmdstat_config|set", "calls=3,usec=9");
    assert_eq!(says(&[set, rewrites[0]]), "no file");
    assert_eq!(says(&[set, rewrites[0]]), "no file");
    assert_eq!(says(&[set]), "good");
    assert_eq!(says(&[set, rewrites[0]]), "good");
}

#[test]
fn a_redis_of_another_kind_is_refused_by_name() {
    let refused = |kind: &[(&str, &str)]| check_kind(&found(kind)).unwrap_err().to_string();
    let version = ("redis_version", "7.0.15");
    assert!(check_kind(&found(&[version, ("redis_mode", "standalone")])).is_ok());
    let said = refused(&[version, ("redis_mode", "cluster")]);
    assert!(said.contains("cluster mode"), "{said}");
    let said = refused(&[version, ("redis_mode", "sentinel")]);
    assert!(said.contains("Sentinel"), "{said}");
    let said = refused(&[("redis_version", "6.2.14")]);
    assert!(said.contains("6.2.14"), "{said}");
    assert!(check_kind(&found(&[])).is_err());
}
