//! Webhooks from nodes over one database: one of them sends, another goes on where it is gone.

use std::process::Command;

use testkit::servers::{Postgres, Redis, ServerOptions};

use super::*;

/// Two nodes over the same stores, with the same endpoint.
struct Nodes {
    site: Site,
    arguments: Vec<String>,
}

impl Nodes {
    fn new(receiver: &Receiver, arguments: &[&str]) -> Self {
        Self {
            site: Site::near(receiver, "types = ['transfer.posted']\nfrom = 'beginning'"),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        }
    }

    fn serve(&self) -> LastroProcess {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.site.serve_with(&arguments).unwrap()
    }
}

/// Waits until one of the nodes sends and the other stands by; which one does.
async fn sender(nodes: &[Option<LastroProcess>; 2]) -> usize {
    let bound = Instant::now() + PATIENCE;
    loop {
        let mut states = Vec::new();
        for node in nodes.iter().flatten() {
            states.push(endpoint(&Bank::of(node)).await["state"].clone());
        }
        if let [one, other] = &states[..]
            && let (true, at) = match (one.as_str(), other.as_str()) {
                (Some("standby"), Some("active" | "failing")) => (true, 1),
                (Some("active" | "failing"), Some("standby")) => (true, 0),
                _ => (false, 0),
            }
        {
            return at;
        }
        assert!(Instant::now() < bound, "{states:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Kills the node that sends, again and again, while all deposit through whichever node answers.
async fn kills_of_the_node_that_sends_lose_no_event(arguments: &[&str]) {
    let receiver = Receiver::start().await;
    receiver.behave(|_| Reply::Status(StatusCode::OK));
    let nodes = Nodes::new(&receiver, arguments);
    let mut running = [Some(nodes.serve()), None];
    running[1] = Some(nodes.serve());
    let mut answered = BTreeSet::new();
    for _ in 0..3 {
        let sending = sender(&running).await;
        let banks: Vec<_> = running.iter().flatten().map(Bank::of).collect();
        for number in 0..40 {
            let account = (1 + number % 5).to_string();
            answered.extend(deposit(&banks[number % 2], &account).await);
        }
        let standing_by = &banks[1 - sending];
        let shown = endpoint(standing_by).await;
        let reason = shown["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("it is sent to by another node: "),
            "{shown}"
        );
        let steered = standing_by
            .http
            .post(format!("{}/v1/webhooks/test/disable", standing_by.url));
        let steered = steered.send().await.unwrap();
        assert_eq!(steered.status(), StatusCode::CONFLICT);
        let problem: Value = steered.json().await.unwrap();
        assert_eq!(problem["code"], "webhook_on_other_node");
        assert!(reason.ends_with(problem["node"].as_str().unwrap()));
        running[sending].take().unwrap().kill();
        for number in 0..10 {
            answered.extend(deposit(standing_by, &(1 + number % 5).to_string()).await);
        }
        let is_active = |endpoint: &Value| endpoint["state"] == "active";
        until(standing_by, "taken over", is_active).await;
        running[sending] = Some(nodes.serve());
    }
    // A stop hands over at once, and repeats nothing.
    let sending = sender(&running).await;
    assert!(running[sending].take().unwrap().stop().unwrap().success());
    let left = Bank::of(running[1 - sending].as_ref().unwrap());
    let is_done =
        |endpoint: &Value| endpoint["waiting_count"] == 0 && endpoint["state"] == "active";
    until(&left, "delivered", is_done).await;
    for number in 0..10 {
        answered.extend(deposit(&left, &(1 + number % 5).to_string()).await);
    }
    assert!(answered.len() > 100, "{}", answered.len());
    let count = answered.len();
    wait_for("all of them", || {
        let messages = receiver.messages();
        let seen: BTreeSet<_> = messages.iter().map(|message| &message.webhook_id).collect();
        (seen.len() >= count).then_some(())
    })
    .await;
    check(&receiver.messages(), &answered);
    drop(running);
}

fn begin(arguments: &[&str]) {
    let begun = Command::new(binary()).arg("init").args(arguments).status();
    assert!(begun.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgres_kills_of_the_node_that_sends_lose_no_event() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    begin(&["--database-url", &url]);
    let arguments = ["--engine", "postgres", "--database-url", &url];
    kills_of_the_node_that_sends_lose_no_event(&arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_redis_kills_of_the_node_that_sends_lose_no_event() {
    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    let redis = Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap();
    let postgres = Postgres::start().unwrap();
    let (redis_url, url) = (redis.url(), postgres.url());
    let mut arguments = vec!["--engine", "write-behind", "--redis-url", &redis_url];
    arguments.extend(["--database-url", &url]);
    kills_of_the_node_that_sends_lose_no_event(&arguments).await;
}
