//! The alerts and dashboards of `deploy/`: Prometheus and `docs/metrics.md` know every metric in them,
//! and a real Prometheus reads a real node.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::LastroProcess;

use crate::support::{Bank, binary, folder, metrics_address};

/// Nothing in a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(90);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn alerts() -> PathBuf {
    root().join("deploy/prometheus/alerts.yml")
}

/// The names in a text that look like those of our metrics, without what a histogram adds.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let words = text.split(|letter| !is_part(letter));
    let named = words.filter(|word| word.starts_with("lastro_") || word.starts_with("process_"));
    named
        .map(|name| {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            name.to_owned()
        })
        .collect()
}

/// Every expression of a dashboard, with where it stands.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| {
            let expression = target["expr"].as_str().unwrap();
            (title.to_owned(), expression.to_owned())
        })
    });
    targets.collect()
}

fn dashboards() -> Vec<(String, Value)> {
    let folder = root().join("deploy/grafana").read_dir().unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let read = json.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name, serde_json::from_str(&text).unwrap())
    });
    read.collect()
}

fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new("promtool")
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{}: {said}", file.display());
}

#[test]
fn promtool_accepts_the_rules_and_the_configuration() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &alerts());
    promtool(
        &["check", "config"],
        &root().join("deploy/prometheus/prometheus.yml"),
    );
}

#[test]
fn promtool_accepts_every_expression_of_a_panel() {
    let rules = tempfile::tempdir().unwrap();
    let dashboards = dashboards();
    let names: Vec<_> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["api", "ledger", "payments"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    for (name, dashboard) in &dashboards {
        let recorded =
            expressions(dashboard)
                .into_iter()
                .enumerate()
                .map(|(index, (_, expression))| {
                    // What Grafana puts in.
                    let expression = expression
                        .replace("$__rate_interval", "1m")
                        .replace("$instance", ".*");
                    serde_json::json!({"record": format!("panel:{index}"), "expr": expression})
                });
        let rules_of = serde_json::json!({
            "groups": [{"name": name, "rules": recorded.collect::<Vec<_>>()}]
        });
        // JSON is YAML.
        let file = rules.path().join(format!("{name}.yml"));
        std::fs::write(&file, rules_of.to_string()).unwrap();
        promtool(&["check", "rules"], &file);
    }
}

#[test]
fn each_metric_of_a_panel_or_an_alert_is_on_the_page_of_metrics() {
    let page = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let known = metrics_in(&page);
    let mut named = metrics_in(&std::fs::read_to_string(alerts()).unwrap());
    for (_, dashboard) in dashboards() {
        for (_, expression) in expressions(&dashboard) {
            named.extend(metrics_in(&expression));
        }
    }
    assert!(named.len() > 40, "{named:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "nothing serves {unknown:?}");
}

/// A running Prometheus. Killed when dropped.
struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// With the alerts of `deploy/`, scraping this node each second.
    fn start(folder: &Path, node: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let configured = root().join("deploy/prometheus/prometheus.yml");
        let text = std::fs::read_to_string(configured).unwrap();
        assert!(
            text.contains("127.0.0.1:9990") && text.contains("15s"),
            "{text}"
        );
        let text = text
            .replace("127.0.0.1:9990", node)
            .replace("15s", "1s")
            .replace("alerts.yml", alerts().to_str().unwrap());
        std::fs::write(folder.join("prometheus.yml"), text).unwrap();
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        Self { child, url }
    }

    /// What an expression comes to; `None` while it does not answer.
    async fn ask(&self, expression: &str) -> Option<Vec<Value>> {
        let url = format!("{}/api/v1/query", self.url);
        let asked = reqwest::Client::new()
            .get(url)
            .query(&[("query", expression)]);
        let answer: Value = asked.send().await.ok()?.json().await.ok()?;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        Some(answer["data"]["result"].as_array().unwrap().clone())
    }

    /// Waits until an expression comes to something.
    async fn value(&self, expression: &str) -> Vec<Value> {
        let bound = Instant::now() + PATIENCE;
        loop {
            let found = self.ask(expression).await;
            if let Some(found) = found.filter(|found| !found.is_empty()) {
                return found;
            }
            assert!(Instant::now() < bound, "{expression} comes to nothing");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test]
async fn a_real_prometheus_reads_a_real_node_and_no_alert_fires() {
    let (data_dir, folder) = (folder(), folder());
    let mut command = Command::new(binary());
    command
        .args([
            "serve",
            "--demo",
            "--metrics-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(data_dir.path());
    let mut node = LastroProcess::start(command).unwrap();
    let address = metrics_address(&mut node).await;
    let bank = Bank::of(&node);
    assert_eq!(bank.transact("1", "c", 7).await.0, 200);

    let prometheus = Prometheus::start(folder.path(), &address);
    let figure = |found: &[Value]| -> f64 {
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]["value"][1].as_str().unwrap().parse().unwrap()
    };
    let ready = prometheus
        .value(r#"lastro_ready{reason="ready"} == 1"#)
        .await;
    assert_eq!(ready[0]["metric"]["job"], "lastro");
    // Five accounts, and the world's.
    assert!(figure(&prometheus.value("lastro_accounts").await) >= 6.0);
    assert!(figure(&prometheus.value("lastro_journal_head_sequence").await) >= 2.0);
    assert!(figure(&prometheus.value("lastro_journal_disk_bytes > 0").await) > 0.0);
    assert!(figure(&prometheus.value("lastro_disk_free_bytes > 0").await) > 0.0);
    assert!(figure(&prometheus.value("process_resident_memory_bytes > 0").await) > 1e6);
    let started = figure(
        &prometheus
            .value("time() - process_start_time_seconds")
            .await,
    );
    assert!((0.0..3600.0).contains(&started), "{started}");
    let requests = prometheus
        .value(r#"lastro_http_requests_total{route="/clientes/{id}/transacoes"}"#)
        .await;
    assert_eq!(requests.len(), 1, "{requests:?}");
    let unused =
        prometheus.ask(r#"lastro_http_request_duration_seconds_count{route="/v1/batches"}"#);
    assert_eq!(unused.await, Some(Vec::new()));
    let fires = prometheus
        .ask(r#"ALERTS{alertname!="LastroDiskAlmostFull"}"#)
        .await;
    assert_eq!(fires, Some(Vec::new()));
}
