//! Expression filters (config facts 6.4): rows skipped by a condition on their values. Not evaluated yet: a task that
//! has some must not start, because migrating the rows it wants skipped would be wrong silently.

use crate::{
    config::subtask::ExpressionFilter,
    error::{Code, DmError, Result},
};

/// Error 20041 when a subtask has expression filters.
pub fn check(filters: &[ExpressionFilter]) -> Result<()> {
    let Some(first) = filters.first() else { return Ok(()) };
    Err(DmError::new(Code::ConfigExprFilterWrongGrammar)
        .msg(format!(
            "expression-filter is not supported in this version, but `{}`.`{}` has one",
            first.schema, first.table
        ))
        .workaround(
            "Please remove `expression-filters` from the task; to drop whole kinds of events of a table, use `filters`.",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_unless_absent() {
        assert!(check(&[]).is_ok());
        let filter = ExpressionFilter { schema: "a".into(), table: "t".into(), ..ExpressionFilter::default() };
        let error = check(&[filter]).unwrap_err();
        assert_eq!(error.code(), Code::ConfigExprFilterWrongGrammar);
        assert!(error.message().contains("`a`.`t`"));
    }
}
