//! The URLs of the stores: where each was given, and what an operator should know of that.

use std::path::Path;

use anyhow::Context;

use super::settings::ServeSettings;
use crate::secrets;

/// Puts the URLs that are in files of their own in their places. Returns the warnings about passwords that other
/// users of the machine can read. `of_file` is what the configuration file alone has.
pub(super) fn read(
    settings: &mut ServeSettings,
    of_file: &ServeSettings,
    config_file: Option<&Path>,
) -> anyhow::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let given = &mut settings.database_url;
    let file = given.database_url_file.as_deref();
    if let Some(url) = secrets::read("database-url", given.database_url.as_deref(), file)? {
        if engine_postgres::has_password(&url).context("--database-url")? {
            let is_in_config = of_file.database_url.database_url.as_ref() == Some(&url);
            let file = file.or(config_file.filter(|_| is_in_config));
            warnings.extend(secrets::warning("database-url", &url, file));
        }
        given.database_url = Some(url);
    }
    let given = &mut settings.redis;
    let file = given.redis_url_file.as_deref();
    if let Some(url) = secrets::read("redis-url", given.redis_url.as_deref(), file)? {
        if engine_write_behind::has_password(&url).context("--redis-url")? {
            let is_in_config = of_file.redis.redis_url.as_ref() == Some(&url);
            let file = file.or(config_file.filter(|_| is_in_config));
            warnings.extend(secrets::warning("redis-url", &url, file));
        }
        given.redis_url = Some(url);
    }
    Ok(warnings)
}
