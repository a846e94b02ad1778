//! Formats one measurement as the JSON line of the contract.

use std::fmt;

/// One measurement, per operation. What could not be measured is `None` and left out of the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Elapsed nanoseconds.
    pub ns_op: f64,
    /// User instructions.
    pub insn_u: Option<f64>,
    /// Kernel instructions.
    pub insn_k: Option<f64>,
    /// User cycles.
    pub cyc_u: Option<f64>,
    /// Kernel cycles.
    pub cyc_k: Option<f64>,
    /// Processor time in nanoseconds.
    pub cpu_ns: Option<f64>,
    /// Context switches.
    pub ctxsw: Option<f64>,
    /// System calls (counting pass).
    pub syscalls: Option<f64>,
    /// Heap allocations (counting pass).
    pub allocs: Option<f64>,
    /// Operations that the line is about, where the contender counts them itself.
    pub ops: Option<f64>,
    /// Median latency in nanoseconds.
    pub p50: Option<f64>,
    /// 99th percentile of the latency in nanoseconds.
    pub p99: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"ns_op\":{:.4}", self.ns_op)?;
        let optional = [
            ("insn_u", self.insn_u),
            ("insn_k", self.insn_k),
            ("cyc_u", self.cyc_u),
            ("cyc_k", self.cyc_k),
            ("cpu_ns", self.cpu_ns),
            ("ctxsw", self.ctxsw),
            ("syscalls", self.syscalls),
            ("allocs", self.allocs),
            ("ops", self.ops),
            ("p50", self.p50),
            ("p99", self.p99),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                write!(f, ",\"{name}\":{value:.6}")?;
            }
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn display_leaves_out_what_was_not_measured() {
        let report = Report {
            ns_op: 12.5,
            allocs: Some(0.0),
            ..Report::default()
        };
        assert_eq!(
            report.to_string(),
            "{\"ns_op\":12.5000,\"allocs\":0.000000}"
        );
    }
}
