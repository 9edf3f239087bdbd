//! The plans of what is asked most: look-ups in an index, whatever the tables' sizes.

use testkit::servers::Postgres;
use tokio_postgres::SimpleQueryMessage;

use crate::lease::Lease;
use crate::opened_for::OpenedFor;
use crate::options::PostgresOptions;
use crate::pool::{connect, pool};
use crate::{
    account_pages, claims, expiry, feed, limits, lists, load, migrate, past, read, webhooks,
};

/// Accounts with many entries, unlimited ones, used ids, payments.
const FILL: &str = "
    INSERT INTO lastro.accounts SELECT 'user:' || n, 'BRL', 0, 0, 0, 0, 0, 0, 2000, false, 1, 2000
    FROM generate_series(1, 10) n;
    INSERT INTO lastro.entries SELECT account_id, n, gen_random_uuid(), 'transfer', 'world:BRL',
        account_id, 1, 'filled', n, n FROM lastro.accounts, generate_series(1, 2000) n;
    INSERT INTO lastro.stripes SELECT 'world:BRL', n, 'BRL', 1 FROM generate_series(0, 15) n;
    INSERT INTO lastro.webhooks SELECT 'endpoint' || n, '', NULL, NULL, '', 0 FROM generate_series(1, 2000) n;
    INSERT INTO lastro.events (records) SELECT '' FROM lastro.entries;
    INSERT INTO lastro.listed SELECT 'transfers of world:BRL', number, transfer_id FROM lastro.entries;
    INSERT INTO lastro.transfers SELECT transfer_id, '' FROM lastro.entries;
    INSERT INTO lastro.payments SELECT gen_random_uuid(), '', n % 4, NULL, 1, 'default', n, n
    FROM generate_series(1, 5000) n;";

#[test]
fn every_statement_is_a_look_up_in_an_index() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = PostgresOptions::default();
        let mut client = connect(&postgres.url(), &options).await.unwrap();
        migrate::run(&mut client, options.beginning).await.unwrap();
        // Planned while the tables are empty, as a new ledger's are, and when they are full.
        let pool = pool(&postgres.url(), &options, OpenedFor::Engine).unwrap();
        for full in [false, true] {
            if full {
                client.batch_execute(FILL).await.unwrap();
                client.batch_execute("ANALYZE").await.unwrap();
            }
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
            let lease = Lease::take(&pool, deadline).await.unwrap();
            let asked = load::STATEMENTS.iter().chain(&read::STATEMENTS);
            let asked = asked
                .chain(&account_pages::STATEMENTS)
                .chain(&feed::STATEMENTS)
                .chain(&lists::STATEMENTS)
                .chain(&limits::STATEMENTS)
                .chain(&past::STATEMENTS)
                .chain(&webhooks::STATEMENTS);
            for statement in asked.chain(&claims::STATEMENTS).chain([&expiry::DUE]) {
                let plan = plan(&lease, statement).await;
                assert!(!plan.contains("Seq Scan"), "{statement}\n{plan}");
            }
            let statement = plan(&lease, read::STATEMENTS[0]).await;
            assert!(
                statement.contains("Index Scan Backward using entries_pkey")
                    && statement.contains("Index Scan using accounts_pkey"),
                "{statement}"
            );
            // What is settled is in no page that is claimed from, however much it is.
            let due = plan(&lease, claims::DUE).await;
            let looked_up = due.matches("using payments_claimed").count();
            assert!(looked_up == 2 && !due.contains("Sort"), "{due}");
            lease.done();
        }
    });
}

/// The plan of every execution of a statement: none looks at its parameters.
async fn plan(lease: &Lease, statement: &str) -> String {
    let parameters_count = (1..)
        .take_while(|number| statement.contains(&format!("${number}")))
        .count();
    let nulls = vec!["NULL"; parameters_count].join(", ");
    let nulls = match parameters_count {
        0 => String::new(),
        _ => format!("({nulls})"),
    };
    let asked =
        format!("PREPARE asked AS {statement}; EXPLAIN EXECUTE asked{nulls}; DEALLOCATE asked");
    let said = lease.client().simple_query(&asked).await.unwrap();
    let lines = said.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}
