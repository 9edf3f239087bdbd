//! `GET /v1/accounts`: what is listed, page by page, to whom, and what is not asked so.

use std::sync::Arc;

use ledger::{Engine, Unavailable};
use proto::v1;
use proto::v1::ledger_client::LedgerClient;
use reqwest::Method;
use serde_json::{Value, json};
use server::{AlwaysReady, GrpcLimits, Keys, KeysOptions};

use crate::grpc::keyed_node;
use crate::support::{
    Answer, Double, Face, Held, Keyring, Manner, Setup, answer, five, five_accounts,
};

async fn open(face: &Face, id: &str, currency: &str) {
    let body = json!({"id": id, "currency": currency, "credit_limit": 0});
    assert_eq!(face.post("/v1/accounts", body).await.status, 201);
}

/// The ids of a page.
fn ids(page: &Answer) -> Vec<String> {
    assert_eq!(page.status, 200, "{page:?}");
    let accounts = page.body["accounts"].as_array().unwrap();
    let id = |account: &Value| account["id"].as_str().unwrap().to_owned();
    accounts.iter().map(id).collect()
}

/// Every page of a list, with what happens between two of them.
async fn walk(face: &Face, query: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut listed = Vec::new();
    let mut page = face.get(&format!("/v1/accounts?{query}")).await;
    for number in 0.. {
        listed.extend(ids(&page));
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            return listed;
        };
        between(number).await;
        page = face
            .get(&format!("/v1/accounts?{query}&cursor={cursor}"))
            .await;
    }
    unreachable!("a list ends")
}

#[tokio::test]
async fn accounts_are_listed_in_the_order_of_their_ids_as_each_is_shown() {
    let (face, _) = five().await;
    open(&face, "users:10", "BRL").await;
    open(&face, "users:9", "USD").await;
    open(&face, "Zoe", "BRL").await;
    let all = [
        "1",
        "2",
        "3",
        "4",
        "5",
        "Zoe",
        "users:10",
        "users:9",
        "world:BRL",
        "world:USD",
    ];
    let page = face.get("/v1/accounts").await;
    assert_eq!(ids(&page), all);
    assert_eq!(page.body["next_cursor"], Value::Null);
    for account in page.body["accounts"].as_array().unwrap() {
        let path = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
        assert_eq!(face.get(&path).await.body, *account);
    }
    for limit in [1, 3, 9, 10, 11] {
        assert_eq!(
            walk(&face, &format!("limit={limit}"), async |_| {}).await,
            all
        );
    }
    let closed = json!({"closed": true});
    assert_eq!(face.patch("/v1/accounts/3", closed).await.status, 200);
    for (query, expected) in [
        ("prefix=users:", vec!["users:10", "users:9"]),
        ("prefix=users%3A1", vec!["users:10"]),
        ("prefix=world:", vec!["world:BRL", "world:USD"]),
        ("prefix=users:99", vec![]),
        ("currency=USD", vec!["users:9", "world:USD"]),
        ("currency=JPY", vec![]),
        ("closed=true", vec!["3"]),
        ("closed=false&currency=BRL&prefix=Z", vec!["Zoe"]),
    ] {
        for limit in [1, 100] {
            let query = format!("{query}&limit={limit}");
            assert_eq!(walk(&face, &query, async |_| {}).await, expected, "{query}");
        }
    }
}

/// Whatever is opened before and behind a walk, and between: what was there is listed once.
#[tokio::test]
async fn accounts_that_are_opened_while_a_walk_goes_on_hide_no_other() {
    let (face, _) = five().await;
    for number in 0..40 {
        open(&face, &format!("users:{number:02}0"), "BRL").await;
    }
    let query = "prefix=users:&limit=7";
    let there = walk(&face, query, async |_| {}).await;
    assert_eq!(there.len(), 40);
    let listed = walk(&face, query, async |number| {
        for (place, at) in [0, (number * 7).min(39), (number * 7 + 9).min(39), 39]
            .into_iter()
            .enumerate()
        {
            let id = format!("{}-{number}-{place}", there[at]);
            open(&face, &id, "BRL").await;
        }
    })
    .await;
    assert!(listed.len() > 40, "some that were opened ahead are listed");
    assert!(listed.is_sorted_by(|one, next| one < next), "{listed:?}");
    let of_before: Vec<_> = listed.iter().filter(|id| there.contains(id)).collect();
    assert_eq!(of_before, there.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said() {
    let (face, _) = five().await;
    let cursor = face.get("/v1/accounts?limit=1").await.body["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    for (query, code) in [
        ("limit=0", "limit_invalid"),
        ("limit=1001", "limit_invalid"),
        ("limit=ten", "limit_invalid"),
        ("limit=1&limit=2", "query_invalid"),
        ("order=asc", "query_invalid"),
        ("closed=1", "query_invalid"),
        ("prefix=a%20b", "account_id_invalid"),
        ("prefix=a%2", "query_invalid"),
        ("currency=XXL", "currency_invalid"),
        ("currency=real", "currency_invalid"),
        ("cursor=0", "cursor_invalid"),
        (&format!("prefix=1&cursor={cursor}"), "cursor_invalid"),
        (&format!("closed=false&cursor={cursor}"), "cursor_invalid"),
        (&format!("cursor={cursor}0"), "cursor_invalid"),
    ] {
        let refused = face.get(&format!("/v1/accounts?{query}")).await;
        assert_eq!(refused.problem(), (400, code), "{query}");
    }
    let engine = five_accounts().await;
    let manner = Manner::Unavailable(Unavailable::NotSupported);
    let face = Setup::over(Double::new(engine, manner)).start().await;
    let refused = face.get("/v1/accounts").await;
    assert_eq!(refused.problem(), (501, "not_supported"));
}

/// Keys that are bound to these accounts.
fn keys_for(patterns: &[&str]) -> Keys {
    let mut record = Keyring::record_of_all();
    record.accounts = patterns.iter().map(|text| text.parse().unwrap()).collect();
    Keys::new(vec![record], KeysOptions::default()).unwrap()
}

#[tokio::test]
async fn a_key_that_is_bound_to_accounts_lists_only_those() {
    let engine = five_accounts().await as Arc<dyn Engine>;
    let open_face = Setup::over(Arc::clone(&engine)).start().await;
    for id in [
        "mine:1", "mine:2", "mine:3", "minelse", "shops:7", "shops:70",
    ] {
        open(&open_face, id, "BRL").await;
    }
    let bound = ["shops:7", "mine:*", "2", "nobody", "mine:2*"];
    for (query, expected) in [
        ("", vec!["2", "mine:1", "mine:2", "mine:3", "shops:7"]),
        ("prefix=m", vec!["mine:1", "mine:2", "mine:3"]),
        ("prefix=mine:2", vec!["mine:2"]),
        ("prefix=shops:", vec!["shops:7"]),
        ("prefix=world:", vec![]),
        ("currency=USD", vec![]),
    ] {
        let keys = keys_for(&bound);
        let face = Setup {
            keys,
            ..Setup::over(Arc::clone(&engine))
        };
        let face = face.start().await;
        for limit in [1, 2, 3, 100] {
            let mut listed = Vec::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/v1/accounts?{query}&limit={limit}{cursor}");
                let request = face.request(Method::GET, &path);
                let page = answer(request.bearer_auth(Held::All.secret().unwrap())).await;
                listed.extend(ids(&page));
                match page.body["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(listed, expected, "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn the_list_is_the_same_over_grpc() {
    let engine = five_accounts().await as Arc<dyn Engine>;
    for (patterns, expected) in [
        (vec![], vec!["1", "2", "3", "4", "5", "world:BRL"]),
        (vec!["4", "world:*"], vec!["4", "world:BRL"]),
    ] {
        let keys = keys_for(&patterns);
        let (health, limits) = (Arc::new(AlwaysReady), GrpcLimits::default());
        let node = keyed_node(Arc::clone(&engine), health, limits, keys).await;
        let mut client = LedgerClient::new(node.channel.clone());
        let mut question = v1::ListAccountsRequest {
            limit: 2,
            ..v1::ListAccountsRequest::default()
        };
        let mut listed = Vec::new();
        loop {
            let mut request = tonic::Request::new(question.clone());
            let bearer = format!("Bearer {}", Held::All.secret().unwrap());
            request
                .metadata_mut()
                .insert("authorization", bearer.parse().unwrap());
            let page = client.list_accounts(request).await.unwrap().into_inner();
            assert!(page.accounts.len() <= 2);
            listed.extend(page.accounts.into_iter().map(|account| account.id));
            if page.next_after.is_empty() {
                break;
            }
            question.after = page.next_after;
        }
        assert_eq!(listed, expected);
    }
}
