//! `x-kubernetes-validations`: rules in CEL over `self` and `oldSelf`.
//!
//! Differs from Kubernetes: rules are not type-checked when the definition is created and have no
//! cost limit; of Kubernetes' own libraries there are `quantity` and `isQuantity`, with `compareTo`,
//! `isLessThan` and `isGreaterThan`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::extractors::This;
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program, Value as Cel, extensions};
use serde_json::Value;

use super::{Kind, Schema, quantity};
use crate::status::{FieldError, quoted};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whether it is about a change and so needs an old value.
    pub is_transition: bool,
    source: String,
    program: Arc<Program>,
    message: Option<String>,
    message_program: Option<Arc<Program>>,
    field_path: String,
    reason: String,
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    for extension in [extensions::strings, extensions::lists] {
        // They are declared once, in an environment that has none of them yet.
        if let Err(error) = env.add_extension(extension) {
            panic!("CEL's own extension is refused: {error}");
        }
    }
    Arc::new(env)
});

impl Rule {
    /// Reads one entry of `x-kubernetes-validations`, which stands at `path`.
    ///
    /// # Errors
    /// If the rule or its message does not compile.
    pub fn read(json: &Value, path: &str) -> Result<Rule, FieldError> {
        let text = |key: &str| json[key].as_str().unwrap_or_default();
        let compile = |key: &str| {
            ENV.compile(text(key)).map_err(|error| {
                let why = format!("compilation failed: {error}");
                FieldError::invalid(&format!("{path}.{key}"), Some(&json[key]), &why)
            })
        };
        let program = compile("rule")?;
        let has_message = json.get("messageExpression").is_some();
        let message_program =
            if has_message { Some(Arc::new(compile("messageExpression")?)) } else { None };
        Ok(Rule {
            is_transition: program.references().has_variable("oldSelf"),
            source: text("rule").to_owned(),
            program: Arc::new(program),
            message: json["message"].as_str().map(str::to_owned),
            message_program,
            field_path: text("fieldPath").to_owned(),
            reason: text("reason").to_owned(),
        })
    }

    /// Holds a value to the rule; `field` is where it stands.
    pub fn check(
        &self,
        value: &Value,
        old: Option<&Value>,
        schema: &Schema,
        field: &str,
    ) -> Option<FieldError> {
        if self.is_transition && old.is_none() {
            return None;
        }
        let context = context(value, old, schema);
        let is_whole = !matches!(schema.kind, Kind::Object | Kind::Array);
        let shown = is_whole.then_some(value);
        match self.program.execute(&context) {
            Ok(Cel::Bool(true)) => None,
            Ok(_) => Some(self.refusal(&context, field, shown)),
            Err(error) => {
                let why = format!("{} evaluating rule: {}", error_text(&error), self.named());
                let kind = Value::from(kind_text(schema.kind));
                Some(FieldError::invalid(field, Some(&kind), &why))
            }
        }
    }

    fn refusal(&self, context: &Context<'_, '_>, field: &str, shown: Option<&Value>) -> FieldError {
        let said = self.message_program.as_ref().and_then(|program| program.execute(context).ok());
        let detail = match said {
            Some(Cel::String(text)) if !text.trim().is_empty() => text.trim().to_owned(),
            _ => self.named(),
        };
        let field = match (field, self.field_path.as_str()) {
            (field, "") => field.to_owned(),
            ("", path) => path.trim_start_matches('.').to_owned(),
            (field, path) => format!("{field}{path}"),
        };
        match self.reason.as_str() {
            "FieldValueForbidden" => FieldError::forbidden(&field, &detail),
            "FieldValueRequired" => FieldError::required(&field, &detail),
            "FieldValueDuplicate" => FieldError::duplicate(&field, shown.unwrap_or(&Value::Null)),
            _ => FieldError::invalid(&field, shown, &detail),
        }
    }

    /// The message, or the rule itself where there is none.
    fn named(&self) -> String {
        match &self.message {
            Some(message) if !message.is_empty() => message.trim().to_owned(),
            _ => format!("failed rule: {}", self.source.trim()),
        }
    }
}

fn context<'a>(value: &Value, old: Option<&Value>, schema: &Schema) -> Context<'a, 'a> {
    let mut context = Context::with_env(ENV.clone());
    context.add_variable_from_value("self", to_cel(value, schema));
    if let Some(old) = old {
        context.add_variable_from_value("oldSelf", to_cel(old, schema));
    }
    // The names are free in this environment, so that no declaration can fail.
    let declared = [
        context.add_function("isQuantity", |text: Arc<String>| quantity::parse(&text).is_some()),
        context.add_function("quantity", amount),
        context.add_function("compareTo", |This(a): This<f64>, b: f64| {
            a.partial_cmp(&b).map_or(0_i64, |order| order as i64)
        }),
        context.add_function("isLessThan", |This(a): This<f64>, b: f64| a < b),
        context.add_function("isGreaterThan", |This(a): This<f64>, b: f64| a > b),
    ];
    debug_assert!(declared.iter().all(Result::is_ok), "{declared:?}");
    context
}

/// An amount as a number: exact up to 2^53 thousandths' worth of difference, enough for volumes.
#[allow(clippy::cast_precision_loss, reason = "amounts are compared, not reckoned with")]
#[allow(clippy::needless_pass_by_value, reason = "CEL hands its texts over in this form")]
fn amount(text: Arc<String>) -> Result<f64, ExecutionError> {
    match quantity::parse(&text) {
        Some(amount) => Ok(amount.milli as f64),
        None => Err(ExecutionError::function_error("quantity", format!("no amount: {text}"))),
    }
}

/// A value as CEL sees it: named fields by their escaped names, whole numbers as `int`.
fn to_cel(value: &Value, schema: &Schema) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (schema.kind, number.as_i64()) {
            (Kind::Number, _) | (_, None) => Cel::Float(number.as_f64().unwrap_or_default()),
            (_, Some(number)) => Cel::Int(number),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => {
            Cel::List(Arc::new(items.iter().map(|item| to_cel(item, schema.item())).collect()))
        }
        Value::Object(map) => {
            let mut out = HashMap::new();
            for (key, value) in map {
                let (below, is_named) = schema.field(key);
                let key = if is_named { escaped(key) } else { key.clone() };
                out.insert(Key::String(Arc::new(key)), to_cel(value, below));
            }
            Cel::Map(Map { map: Arc::new(out) })
        }
    }
}

/// A field's name as CEL can say it.
fn escaped(name: &str) -> String {
    const WORDS: [&str; 20] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
    ];
    if WORDS.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

fn error_text(error: &ExecutionError) -> String {
    #[allow(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        other => other.to_string(),
    }
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String | Kind::Quantity => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::IntOrString | Kind::Any => "",
    }
}

/// The rule's text, for panics and logs.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&quoted(&self.source))
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;
    use crate::schema::{Kind, Schema};
    use serde_json::{Value, json};

    fn check(rule: &str, value: &Value, old: Option<&Value>) -> Option<String> {
        let json = json!({"rule": rule, "message": "no"});
        let rule = Rule::read(&json, "x").expect("a rule that compiles");
        rule.check(value, old, &Schema::of(Kind::Any), "f").map(|error| error.body)
    }

    #[test]
    fn holds_values_to_rules() {
        let refused = Some("Invalid value: 2: no".to_owned());
        assert_eq!(check("self >= oldSelf", &json!(2), Some(&json!(3))), refused);
        assert_eq!(check("self >= oldSelf", &json!(3), Some(&json!(3))), None);
        assert_eq!(check("self == oldSelf", &json!(3), None), None);
        let grows = "quantity(self).compareTo(quantity(oldSelf)) >= 0";
        assert_eq!(check(grows, &json!("2Gi"), Some(&json!("1024Mi"))), None);
        assert!(check(grows, &json!("1Gi"), Some(&json!("1500Mi"))).is_some());
        assert_eq!(check("!has(self.a) || self.a.size() < 2", &json!({"a": [1]}), None), None);
        assert_eq!(check("self.all(x, x.startsWith('a'))", &json!(["a", "ab"]), None), None);
        assert_eq!(check("self.exists(x, x.name == 'a')", &json!([{"name": "a"}]), None), None);
        assert_eq!(check("self.matches('^[a-z]+$')", &json!("abc"), None), None);
        assert!(check("self.missing == 1", &json!({}), None).is_some());
    }
}
