//! Redis, asked by its own client.

use testkit::servers::{Redis, ServerOptions};

#[test]
fn it_answers_and_two_at_once_know_nothing_of_each_other() {
    let (one, other) = (Redis::start().unwrap(), Redis::start().unwrap());
    assert_ne!(one.port(), other.port());
    assert_eq!(one.command(&["SET", "key", "a value"]).unwrap(), "OK");
    assert_eq!(one.command(&["GET", "key"]).unwrap(), "a value");
    assert_eq!(other.command(&["EXISTS", "key"]).unwrap(), "0");
    let error = one.command(&["NO-SUCH-COMMAND"]).unwrap_err();
    assert!(error.contains("unknown command"), "{error}");
}

#[test]
fn with_its_log_synced_it_keeps_everything_over_a_stop_and_a_kill() {
    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    let mut redis = Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap();
    let port = redis.port();
    assert_eq!(redis.command(&["INCR", "count"]).unwrap(), "1");
    redis.stop().unwrap();
    assert!(redis.command(&["PING"]).is_err(), "it is down");
    redis.restart().unwrap();
    assert_eq!(redis.command(&["INCR", "count"]).unwrap(), "2");
    redis.kill();
    assert_eq!(redis.id(), None);
    redis.restart().unwrap();
    assert_eq!(redis.command(&["INCR", "count"]).unwrap(), "3");
    assert_eq!(redis.port(), port);
}

#[test]
fn without_settings_it_forgets() {
    let mut redis = Redis::start().unwrap();
    redis.command(&["SET", "key", "1"]).unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.command(&["EXISTS", "key"]).unwrap(), "0");
}

#[test]
fn what_it_refuses_is_told_with_its_own_words() {
    let options = ServerOptions::with_settings(&[("no-such-setting", "1")]);
    let error = Redis::start_with(&options).unwrap_err();
    assert!(error.contains("no-such-setting"), "{error}");
}
