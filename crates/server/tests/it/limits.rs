//! Slow, idle and too many callers are cut, and others are served meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;
use server::Limits;

use crate::support::{Face, Setup, everything, five_accounts};

async fn face(limits: Limits) -> Face {
    let mut setup = Setup::over(five_accounts().await);
    setup.limits = limits;
    setup.start().await
}

const GET: &str = "GET /clientes/1/extrato HTTP/1.1\r\nHost: x\r\n\r\n";

#[track_caller]
fn assert_within(started: Instant, least_ms: u128, most_ms: u128) {
    let elapsed_ms = started.elapsed().as_millis();
    assert!((least_ms..most_ms).contains(&elapsed_ms), "{elapsed_ms} ms");
}

#[tokio::test]
async fn a_dribbled_head_is_cut() {
    let face = face(Limits {
        header_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let mut raw = face.raw().await;
    // The time counts from the head's first byte on, on a connection's later requests too.
    raw.send(GET).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    for byte in GET.bytes().take(30) {
        if !raw.try_send([byte]).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.problem(), (408, "request_timeout".to_owned()));
    assert!(raw.closed().await);
    assert_within(started, 300, 3_000);
}

#[tokio::test]
async fn a_dribbled_body_is_cut() {
    let engine = five_accounts().await;
    let mut setup = Setup::over(engine.clone());
    setup.limits.request_timeout = Duration::from_millis(300);
    let face = setup.start().await;
    let before = everything(&engine);
    let mut raw = face.raw().await;
    let started = Instant::now();
    raw.send(
        "POST /clientes/1/transacoes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 46\r\n\r\n",
    )
    .await;
    for byte in br#"{"valor": 1, "tipo": "c""# {
        if !raw.try_send([*byte]).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.problem(), (408, "request_timeout".to_owned()));
    assert!(raw.closed().await);
    assert_within(started, 300, 3_000);
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let face = face(Limits {
        idle_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let started = Instant::now();
    let (mut never_used, mut used) = (face.raw().await, face.raw().await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    used.send(GET).await;
    assert_eq!(used.answer().await.unwrap().status, 200);
    assert!(never_used.closed().await);
    assert_within(started, 300, 3_000);
    assert!(used.closed().await);
    assert_within(started, 500, 3_000);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let engine = five_accounts().await;
    let mut setup = Setup::over(engine);
    setup.limits.idle_timeout = Duration::from_millis(300);
    setup.limits.answer_timeout = Duration::from_millis(300);
    setup.limits.connections_max = 1;
    let face = setup.start().await;
    for _ in 0..1_000 {
        // Fills the statement, so that its answers are large.
        assert_eq!(face.transact(1, "c", 1, "0123456789").await.status, 200);
    }
    // The client's own connection is idle now and gives the only place back.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    let mut greedy = face.raw().await;
    let request = "GET /v1/accounts/1/statement?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";
    greedy.send(request.repeat(100)).await;
    // It takes nothing; the only place is free again within a bound.
    loop {
        let mut raw = face.raw().await;
        if raw.try_send(GET).await
            && raw
                .answer()
                .await
                .is_some_and(|answer| answer.status == 200)
        {
            break;
        }
        assert_within(started, 0, 10_000);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn too_many_connections_are_refused() {
    let face = face(Limits {
        connections_max: 2,
        ..Limits::default()
    })
    .await;
    let (mut first, mut second) = (face.raw().await, face.raw().await);
    for raw in [&mut first, &mut second] {
        raw.send(GET).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
    }
    let mut third = face.raw().await;
    let answer = third.answer().await.unwrap();
    assert_eq!(answer.problem(), (503, "too_many_connections".to_owned()));
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert!(third.closed().await);

    first.send(GET).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut fourth = face.raw().await;
    fourth.send(GET).await;
    assert_eq!(fourth.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn large_bodies_share_a_bounded_room() {
    let face = face(Limits {
        bodies_bytes_max: 1024 * 1024,
        ..Limits::default()
    })
    .await;
    let head = |length: usize| {
        format!(
            "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let (mut first, mut second) = (face.raw().await, face.raw().await);
    first.send(head(1_000_000)).await;
    first.send(vec![b' '; 900_000]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    second.send(head(400_000)).await;
    second.send(vec![b' '; 400_000]).await;
    let answer = second.answer().await.unwrap();
    assert_eq!(answer.problem(), (503, "overloaded".to_owned()));
    assert_eq!(face.transact(1, "c", 1, "small ones").await.status, 200);

    first.send(vec![b' '; 100_000]).await;
    let answer = first.answer().await.unwrap();
    assert_eq!(answer.problem(), (400, "json_invalid".to_owned()));
    first.send(head(1_000_000)).await;
    first.send(vec![b' '; 1_000_000]).await;
    assert_eq!(first.answer().await.unwrap().status, 400);
}

#[tokio::test]
async fn a_body_in_chunks_has_the_same_bound() {
    let face = face(Limits::default()).await;
    let mut raw = face.raw().await;
    raw.send(
        "POST /clientes/1/transacoes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    for _ in 0..5 {
        raw.send(format!("400\r\n{}\r\n", " ".repeat(0x400))).await;
    }
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.problem(), (413, "body_too_large".to_owned()));
    assert!(raw.closed().await);
}

/// Answers wait in memory until their callers take them: together no more than their room.
#[tokio::test]
async fn large_answers_share_a_bounded_room() {
    let engine = five_accounts().await;
    let mut setup = Setup::over(engine.clone());
    // A page takes almost all of it before it is read, since each entry may have metadata.
    setup.limits.answers_bytes_max = 2_600_000;
    let face = setup.start().await;
    for _ in 0..1_000 {
        assert_eq!(face.transact(1, "c", 1, "0123456789").await.status, 200);
    }
    const LARGE: &str = "/v1/accounts/1/statement?limit=1000";
    assert_eq!(face.get(LARGE).await.status, 200);
    let mut greedy = face.raw().await;
    let request = format!("GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n");
    greedy.send(request.repeat(200)).await;
    // It takes nothing. Once the sockets are full, an answer stays in memory.
    let started = Instant::now();
    let refused = loop {
        let answer = face.get(LARGE).await;
        if answer.status != 200 {
            break answer;
        }
        assert_within(started, 0, 10_000);
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let still_refused = face.get(LARGE).await;
    for answer in [refused, still_refused] {
        assert_eq!(answer.problem(), (503, "overloaded"));
        assert_eq!(answer.body["nothing_done"], true);
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
    }
    // A batch is refused before it is applied, and what is small goes on.
    let before = everything(&engine);
    let command = json!({"kind": "close_account", "account_id": "1"});
    let batch = json!({"atomic": false, "commands": vec![command; 2_400]});
    let answer = face.post("/v1/batches", batch).await;
    assert_eq!(answer.problem(), (503, "overloaded"));
    assert_eq!(everything(&engine), before);
    let small = face.get("/v1/accounts/1/statement?limit=10").await;
    assert_eq!(small.status, 200);

    drop(greedy);
    let started = Instant::now();
    while face.get(LARGE).await.status != 200 {
        assert_within(started, 0, 10_000);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Room is taken as bytes arrive: who announces much and sends little takes none from others.
#[tokio::test]
async fn announced_bodies_take_no_room() {
    let face = face(Limits::default()).await;
    let mut greedy = Vec::new();
    for framing in [
        "Content-Length: 4194304\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        for _ in 0..40 {
            let mut raw = face.raw().await;
            raw.send(format!(
                "POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                 {framing}\r\n"
            ))
            .await;
            raw.send("64\r\n{\"atomic\": false,").await;
            raw.send(vec![b' '; 20]).await;
            greedy.push(raw);
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let commands: Vec<_> = (0..1_000)
        .map(|_| json!({"kind": "close_account", "account_id": "nobody"}))
        .collect();
    let batch = json!({"atomic": false, "commands": commands});
    let answer = face.post("/v1/batches", batch).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

/// Who takes an answer byte by byte does not keep it for ever.
#[tokio::test]
async fn an_answer_as_a_whole_has_a_deadline() {
    let engine = five_accounts().await;
    let mut setup = Setup::over(engine);
    setup.limits.answer_timeout = Duration::from_millis(500);
    let face = setup.start().await;
    for _ in 0..1_000 {
        assert_eq!(face.transact(1, "c", 1, "0123456789").await.status, 200);
    }
    let mut slow = face.raw().await;
    let request = "GET /v1/accounts/1/statement?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";
    // Until the sockets hold no more.
    slow.send(request.repeat(200)).await;
    let started = Instant::now();
    let mut taken_bytes = 0;
    while let Some(count) = slow.take_some(64 * 1024).await {
        taken_bytes += count;
        assert_within(started, 0, 15_000);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(taken_bytes > 0);
}

/// A stranger fills every place and says nothing more; a caller that comes then is served.
#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let face = face(Limits {
        connections_max: 64,
        request_timeout: Duration::from_secs(60),
        ..Limits::default()
    })
    .await;
    let mut strangers = Vec::new();
    for number in 0..64 {
        let mut raw = face.raw().await;
        // Some say nothing at all, some begin a request, some have made one.
        match number % 3 {
            0 => {}
            1 => raw.send("GET /clientes/1/ex").await,
            _ => {
                raw.send(GET).await;
                assert_eq!(raw.answer().await.unwrap().status, 200);
            }
        }
        strangers.push(raw);
    }
    let mut busy = strangers.pop().unwrap();
    busy.send(
        "POST /clientes/1/transacoes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 53\r\n\r\n",
    )
    .await;
    // Within two seconds or so there is room, for one after the other.
    let started = Instant::now();
    let mut served = Vec::new();
    while served.len() < 10 {
        let mut raw = face.raw().await;
        if raw.try_send(GET).await
            && raw
                .answer()
                .await
                .is_some_and(|answer| answer.status == 200)
        {
            served.push(raw);
        }
        assert_within(started, 0, 20_000);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Who is in the middle of a request stays.
    busy.send(r#"{"valor": 1, "tipo": "c", "descricao": "0123456789"}"#.to_owned() + " ")
        .await;
    assert_eq!(busy.answer().await.unwrap().status, 200);
}
