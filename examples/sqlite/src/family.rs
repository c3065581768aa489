//! The resources of the family `sql`: the tables of databases.

use secure_runtime::capabilities::{
    Action, ActionName, Base, Family, FamilyName, Pattern, Problem, describe_pattern,
};

/// The name of the family.
pub(crate) const SQL: FamilyName = FamilyName::literal("sql");

/// Maximum length of the name of a database or a table.
const MOST_NAME: usize = 64;

/// The family `sql`. A resource is `DATABASE/TABLE`, such as `shop/orders`.
///
/// SQLite compares names without the case of ASCII letters, so the canonical form is in lower case. A table whose name
/// has other characters than letters, digits and `_` has no canonical form, and nobody can use it.
pub(crate) struct SqlFamily;

const ACTIONS: [Action; 2] = [
    Action {
        name: ActionName::READ,
        summary: "read the rows of tables",
    },
    Action {
        name: ActionName::WRITE,
        summary: "insert, change and delete rows of tables, and learn how many were changed",
    },
];

impl Family for SqlFamily {
    fn name(&self) -> FamilyName {
        SQL
    }

    fn actions(&self) -> &[Action] {
        &ACTIONS
    }

    fn parse_scope(&self, action: ActionName, text: &str, base: &Base) -> Result<Vec<Pattern>, Problem> {
        let resource = self.parse_resource(action, text, base)?;
        Ok(vec![match resource.strip_suffix('*') {
            Some(database) => Pattern::prefix(database),
            None => Pattern::exact(resource),
        }])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        // `shop/*` is a resource as well: records use it for a statement whose tables are not known yet.
        let problem =
            || Problem::Other("write a database and a table, as in `shop/orders`, or `shop/*`".to_owned());
        let (database, table) = text.split_once('/').ok_or_else(problem)?;
        let database = name(database).ok_or_else(problem)?;
        let table = if table == "*" {
            Some("*".to_owned())
        } else {
            name(table)
        };
        Ok(resource(&database, &table.ok_or_else(problem)?))
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = |pattern: &Pattern| match pattern {
            Pattern::Affix { prefix, suffix } if suffix.is_empty() => format!("{prefix}*"),
            pattern => describe_pattern(pattern),
        };
        patterns.iter().map(describe).collect()
    }
}

/// Returns the canonical form of the name of a database or a table. There is none if a grant cannot name it.
pub(crate) fn name(text: &str) -> Option<String> {
    let is_name = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.is_empty()
        && text.len() <= MOST_NAME;
    is_name.then(|| text.to_ascii_lowercase())
}

/// Returns the canonical resource of a table. Both names are canonical.
pub(crate) fn resource(database: &str, table: &str) -> String {
    format!("{database}/{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let base = Base::new("/").ok()?;
        SqlFamily.parse_resource(ActionName::READ, text, &base).ok()
    }

    #[test]
    fn a_resource_has_one_canonical_form() {
        for text in ["shop/orders", "Shop/ORDERS", "SHOP/orders"] {
            assert_eq!(parsed(text).as_deref(), Some("shop/orders"));
        }
        assert_eq!(parsed("shop/*").as_deref(), Some("shop/*"));
        for text in [
            "",
            "shop",
            "shop/",
            "/orders",
            "shop/a/b",
            "shop/o*",
            "*/orders",
            "*/*",
            "shop/a b",
            "shop/é",
            "shop/\"a\"",
            "../shop/a",
            "shop/a\0",
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
        assert_eq!(parsed(&format!("shop/{}", "a".repeat(MOST_NAME + 1))), None);
    }

    #[test]
    fn a_scope_matches_a_table_or_a_database() {
        let base = Base::new("/").ok();
        let scope = |text| SqlFamily.parse_scope(ActionName::READ, text, base.as_ref()?).ok();
        assert_eq!(scope("Shop/*"), Some(vec![Pattern::prefix("shop/")]));
        assert_eq!(scope("shop/Orders"), Some(vec![Pattern::exact("shop/orders")]));
        for text in ["*", "shop*", "shop/o*", "*/*"] {
            assert_eq!(scope(text), None);
        }
    }
}
