//! Licences, second versions and sources of the dependencies, by the lists of `deny.toml`.
//!
//! cargo-deny does it where it is installed. Building it only for this takes longer than all else
//! that CI does, so without it we check the same lists against `cargo metadata` ourselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::step::{cargo, root, run};

/// Checks all dependencies; tells by which means.
///
/// # Errors
/// Names every dependency that breaks a rule.
pub fn check() -> Result<String> {
    let deny_is_here =
        cargo(&["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if deny_is_here {
        if run("cargo deny", &mut cargo(&["deny", "check", "bans", "licenses", "sources"]))? {
            return Ok("dependencies: checked by cargo-deny".to_owned());
        }
        bail!("cargo-deny refuses a dependency");
    }
    let rules = fs::read_to_string(root().join("deny.toml"))?;
    let output = cargo(&["metadata", "--format-version", "1", "--locked"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut refused = Vec::new();
    let allowed: BTreeSet<String> = list(&rules, "allow")?.into_iter().collect();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().context("a package without name")?;
        let version = package["version"].as_str().context("a package without version")?;
        versions.entry(name).or_default().push(version);
        let licence = package["license"].as_str().unwrap_or("none");
        if !allows(&allowed, licence) {
            refused.push(format!("{name} {version}: licence {licence}"));
        }
        let source = package["source"].as_str();
        if source.is_some_and(|source| !source.starts_with("registry+")) {
            refused.push(format!("{name} {version}: source {source:?}"));
        }
    }
    let skipped = list(&rules, "skip")?;
    for (name, versions) in versions {
        let skips = |version: &&&str| {
            skipped.iter().any(|skip| {
                skip.split_once('@')
                    .is_some_and(|(of, start)| of == name && is_of_version(version, start))
            })
        };
        if versions.len() - versions.iter().filter(skips).count() > 1 {
            refused.push(format!("{name}: versions {}", versions.join(", ")));
        }
    }
    if !refused.is_empty() {
        bail!("deny.toml refuses:\n{}", refused.join("\n"));
    }
    let count = packages.len();
    Ok(format!("dependencies: {count} packages checked by our own reading of deny.toml"))
}

/// The first text in quotes on each line of the list `key = [ ... ]`.
fn list(toml: &str, key: &str) -> Result<Vec<String>> {
    let start = format!("\n{key} = [\n");
    let (_, rest) = toml.split_once(&start).with_context(|| format!("deny.toml has no {key}"))?;
    let (body, _) = rest.split_once("\n]").with_context(|| format!("{key} has no end"))?;
    Ok(body.lines().filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect())
}

/// Whether `version` is `start` or goes on from it: `0.8.5` is of `0.8`, not of `0.80`.
fn is_of_version(version: &str, start: &str) -> bool {
    version.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether an SPDX expression can be met with the allowed licences; `/` is an old `OR`.
fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    let expression = expression.trim().replace('/', " OR ");
    if let Some(parts) = split_outside(&expression, " OR ") {
        return parts.iter().any(|part| allows(allowed, part));
    }
    if let Some(parts) = split_outside(&expression, " AND ") {
        return parts.iter().all(|part| allows(allowed, part));
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => allows(allowed, inner),
        None => allowed.contains(&expression),
    }
}

/// Splits at a word that stands outside of parentheses; none if there is no such word.
fn split_outside(text: &str, word: &str) -> Option<Vec<String>> {
    let (mut parts, mut depth, mut from, mut at) = (Vec::new(), 0_u32, 0, 0);
    while at < text.len() {
        let rest = text.get(at..)?;
        if depth == 0 && rest.starts_with(word) {
            parts.push(text.get(from..at)?.to_owned());
            at += word.len();
            from = at;
            continue;
        }
        match rest.as_bytes().first() {
            Some(b'(') => depth += 1,
            Some(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    if parts.is_empty() {
        return None;
    }
    parts.push(text.get(from..)?.to_owned());
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::{allows, is_of_version, list};

    #[test]
    fn expressions_of_licences_are_read() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
        for (expression, wanted) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("(GPL-2.0 OR GPL-3.0) AND MIT", false),
            ("GPL-3.0 OR (MIT AND Apache-2.0)", true),
            ("none", false),
        ] {
            assert_eq!(allows(&allowed, expression), wanted, "{expression}");
        }
    }

    #[test]
    fn versions_and_lists_are_read() {
        assert!(is_of_version("0.8.5", "0.8") && !is_of_version("0.80.1", "0.8"));
        let toml = "[a]\nskip = [\n    { crate = \"x@1\", reason = \"y\" },\n    \"z@2\",\n]\n";
        assert_eq!(list(toml, "skip").unwrap(), ["x@1", "z@2"]);
        assert!(list(toml, "allow").is_err());
    }
}
