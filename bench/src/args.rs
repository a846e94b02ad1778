//! Parses `WORKLOAD [--name value]…` and holds the default of every option.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The options of one run, with the contract's defaults filled in.
#[derive(Clone, Debug)]
pub struct Args {
    /// The workload's name, or `list`.
    pub workload: String,
    /// Operations to measure; each workload has a default of its own.
    pub ops: Option<u64>,
    /// Processor of the loop's thread.
    pub cpu: Option<usize>,
    /// Processor of the (first) producer thread.
    pub pcpu: Option<usize>,
    /// Operations or tasks outstanding in the batch workloads.
    pub depth: u32,
    /// Producer threads of `xthread-tput`.
    pub producers: u32,
    /// Reads in flight of `file-randread`.
    pub qd: u32,
    /// Whether `file-randread` passes by the page cache.
    pub direct: bool,
    /// The file that `file-randread` reads.
    pub path: PathBuf,
    /// Timers armed before the first is cancelled.
    pub count: u32,
    /// Connections of the served workloads.
    pub conns: u32,
    /// Message bytes of the served workloads.
    pub size: usize,
    /// Receive buffer bytes of the served workloads.
    pub buf: usize,
    /// A contender's own variation of a workload; empty for the plain one.
    pub variant: String,
}

/// What was wrong with the command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; usage: BIN list | BIN WORKLOAD [--name value]…",
            self.0
        )
    }
}

impl std::error::Error for UsageError {}

impl Args {
    /// The defaults, for `workload`.
    pub fn new(workload: &str) -> Self {
        Self {
            workload: workload.to_owned(),
            ops: None,
            cpu: None,
            pcpu: None,
            depth: 64,
            producers: 1,
            qd: 32,
            direct: false,
            path: PathBuf::from("/var/tmp/sendio-bench-256m.dat"),
            count: 100_000,
            conns: 64,
            size: 64,
            buf: 4096,
            variant: String::new(),
        }
    }

    /// Reads the options that follow the program's name.
    ///
    /// # Errors
    ///
    /// No workload, an unknown option, or a value that does not parse.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut words = words.into_iter();
        let workload = words
            .next()
            .ok_or_else(|| UsageError("no workload given".to_owned()))?;
        let mut args = Self::new(&workload);
        while let Some(name) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| UsageError(format!("option {name} has no value")))?;
            args.set(&name, &value)?;
        }
        Ok(args)
    }

    /// Operations to measure: what was asked for, else the workload's `default`.
    pub fn ops_or(&self, default: u64) -> u64 {
        self.ops.unwrap_or(default)
    }

    /// Takes the one of `names` out of the variant that is in it, if any; variants are separated by commas.
    pub fn split_variant<'a>(&self, names: &[&'a str]) -> (&'a str, Self) {
        let of_names = |part: &str| names.iter().find(|name| **name == part);
        let found = self.variant.split(',').find_map(of_names);
        let rest = self
            .variant
            .split(',')
            .filter(|part| of_names(part).is_none());
        let variant = rest.collect::<Vec<_>>().join(",");
        let args = Self {
            variant,
            ..self.clone()
        };
        (found.copied().unwrap_or(""), args)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), UsageError> {
        match name {
            "--ops" => self.ops = Some(positive(name, value)?),
            "--cpu" => self.cpu = Some(number(name, value)?),
            "--pcpu" => self.pcpu = Some(number(name, value)?),
            "--depth" => self.depth = positive(name, value)?,
            "--producers" => self.producers = positive(name, value)?,
            "--qd" => self.qd = positive(name, value)?,
            "--direct" => self.direct = number::<u8>(name, value)? != 0,
            "--path" => self.path = PathBuf::from(value),
            "--count" => self.count = positive(name, value)?,
            "--conns" => self.conns = positive(name, value)?,
            "--size" => self.size = positive(name, value)?,
            "--buf" => self.buf = positive(name, value)?,
            "--variant" => value.clone_into(&mut self.variant),
            _ => return Err(UsageError(format!("unknown option {name}"))),
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, UsageError> {
    value
        .parse()
        .map_err(|_| UsageError(format!("{name} does not take {value:?}")))
}

fn positive<T: FromStr + Default + PartialEq>(name: &str, value: &str) -> Result<T, UsageError> {
    let parsed = number(name, value)?;
    if parsed == T::default() {
        return Err(UsageError(format!("{name} must be at least 1")));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::Args;

    fn parse(line: &str) -> Result<Args, super::UsageError> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn parse_options_override_defaults() {
        let args = parse("file-randread --qd 8 --direct 1 --ops 500 --variant fixed").unwrap();
        assert_eq!(args.workload, "file-randread");
        assert_eq!((args.qd, args.direct, args.ops), (8, true, Some(500)));
        assert_eq!((args.variant.as_str(), args.depth), ("fixed", 64));
        assert_eq!(args.ops_or(7), 500);
    }

    #[test]
    fn split_variant_takes_the_named_part() {
        let split = |variant: &str| {
            let mut args = Args::new("tcp-echo");
            args.variant = variant.to_owned();
            let (name, rest) = args.split_variant(&["uring", "epoll"]);
            (name, rest.variant)
        };
        assert_eq!(split(""), ("", String::new()));
        assert_eq!(split("epoll"), ("epoll", String::new()));
        assert_eq!(split("poll"), ("", "poll".to_owned()));
        assert_eq!(split("poll,epoll"), ("epoll", "poll".to_owned()));
        assert_eq!(split("uring,epoll"), ("uring", String::new()));
    }

    #[test]
    fn parse_bad_line_is_refused() {
        for line in [
            "",
            "nop-batch --depth",
            "nop-batch --depth 0",
            "nop-batch --depth x",
            "nop-batch --what 1",
        ] {
            assert!(parse(line).is_err(), "{line:?} was accepted");
        }
    }
}
