//! docs/CONFIGURATION.md, from the table of keys.

use std::fmt::Write as _;

use super::keys::{Fallback, Id, Key};

const BEGINNING: &str = "\
# Configuration

Every value of the production path is looked for in four places; the later one wins:

1. the default,
2. a TOML file: `--config FILE`, or the one that `PROCESSOR_CONFIG` names,
3. the environment; a variable that is empty counts as not set,
4. the command line: `--set KEY=VALUE` for any key, and a few flags of their own.

`processor config` prints the result with the origin of each value and every secret hidden, and ends with 2 when
something is wrong: an unknown key in the file, a value that is not allowed, a value that nobody gave. All that is wrong is
told at once, in any layer, overridden or not. A variable that looks like a misspelt one of ours is a warning.

```toml
# processor.toml
instance_id = \"processor-1\"

[redis]
url = \"redis://redis:6379\"

[postgres]
url = \"postgres://processor@database/race?sslmode=verify-full\"

[write]
batch_size = 10_000
```

URLs are read as the Node.js drivers read them. TLS to the broker is `rediss://`. TLS to the database is
`sslmode=verify-full`; as with `pg` 8, `prefer`, `require` and `verify-ca` check as much, `no-verify` checks nothing, and
with `uselibpqcompat=true` the modes mean what they mean to psql. `sslrootcert` names the only roots to trust in place of the
system's, `sslcert` and `sslkey` the certificate to show.

This file is written by `processor config --markdown`.
";

/// The whole document.
pub(crate) fn document() -> String {
    let mut text = BEGINNING.to_owned();
    let mut section = None;
    for &id in Id::ALL {
        let key = id.key();
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = if key.section().is_empty() {
                "Outside of sections".to_owned()
            } else {
                format!("`[{}]`", key.section())
            };
            let _ = write!(
                text,
                "\n## {title}\n\n| key | environment | default | allowed | what it is |\n|---|---|---|---|---|\n"
            );
        }
        let flag = key.flag.map(|flag| format!("<br>`{flag}`")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{}` | `{}`{flag} | {} | {} | {} |",
            key.name,
            key.env,
            default(key),
            key.kind.allowed().replace('|', "\\|"),
            key.help
        );
    }
    text
}

fn default(key: &Key) -> String {
    match key.default {
        Fallback::Nothing => "not set".to_owned(),
        Fallback::Required => "must be given".to_owned(),
        Fallback::Is(text) => format!("`{text}`"),
        Fallback::As(other) => format!("that of `{}`", other.key().name),
        Fallback::Cores { spared, most } => format!("processors − {spared}, 1 to {most}"),
    }
}
