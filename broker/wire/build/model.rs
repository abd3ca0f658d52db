//! What a schema says, as values: messages, structs, fields, versions.

/// One schema file: the request and response of an API, or a family of records.
pub struct Schema {
    /// Name of the Rust module, such as `list_offsets`.
    pub module: String,
    /// Number and name of the API; `None` for a file of records.
    pub api: Option<Api>,
    /// What the file describes, in its order.
    pub messages: Vec<Message>,
}

/// What the file's name and first line say of an API.
pub struct Api {
    /// The key on the wire.
    pub key: i16,
    /// Kafka's name in camel case, such as `ListOffsets`.
    pub name: String,
    /// The oldest version that ApiVersions names, if older than the oldest that is decoded.
    pub advertised: Option<i16>,
}

/// One top-level structure.
pub struct Message {
    /// Name in Kafka, such as `ListOffsets request` or `OffsetCommitKey`.
    pub title: String,
    /// Name of Kafka's generated class without package, such as `ListOffsetsRequestData`.
    pub java: String,
    /// The type number of a record's key.
    pub record_type: Option<i16>,
    /// The versions that can be read and written.
    pub versions: Versions,
    /// First version with compact lengths and tagged fields.
    pub flexible: Option<i16>,
    /// The fields.
    pub root: Struct,
}

/// A structure; nested ones are named by their path.
pub struct Struct {
    /// Rust name, such as `RequestTopicPartition`.
    pub name: String,
    /// Fields in wire order.
    pub fields: Vec<Field>,
}

/// One field of a structure.
pub struct Field {
    /// Rust name.
    pub name: String,
    /// Path from the message's title, for error texts: `ListOffsets request.topics.name`.
    pub path: String,
    /// What one value or one element is.
    pub kind: Kind,
    /// Whether the field holds any number of elements.
    pub is_array: bool,
    /// The versions that carry the field, cut to those of the message.
    pub versions: Versions,
    /// The versions in which it may be null, cut to `versions`.
    pub nullable: Option<Versions>,
    /// Its number in the tagged section; `None` for an ordinary field.
    pub tag: Option<u32>,
    /// The value that an absent field has, where it is not zero or empty.
    pub default: Option<String>,
}

/// The type of a value on the wire.
pub enum Kind {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Uuid,
    String,
    Bytes,
    Struct(Struct),
}

/// A closed range of versions.
#[derive(Clone, Copy, PartialEq)]
pub struct Versions {
    pub first: i16,
    pub last: i16,
}

impl Versions {
    /// Whether `other` lies within.
    pub fn covers(self, other: Versions) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// The versions in both.
    pub fn cut(self, other: Versions) -> Option<Versions> {
        let both = Versions { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }

    /// The Rust condition that `version` lies within, given that it lies within `outer`.
    pub fn condition(self, outer: Versions) -> Option<String> {
        match (self.first <= outer.first, outer.last <= self.last) {
            (true, true) => None,
            (true, false) => Some(format!("version <= {}", self.last)),
            (false, true) => Some(format!("version >= {}", self.first)),
            (false, false) => Some(format!("({}..={}).contains(&version)", self.first, self.last)),
        }
    }
}

impl Kind {
    /// The name in the notation of the schemas.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Boolean => "boolean",
            Kind::Int8 => "int8",
            Kind::Int16 => "int16",
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            Kind::Uuid => "uuid",
            Kind::String => "string",
            Kind::Bytes => "bytes",
            Kind::Struct(_) => "struct",
        }
    }

    /// Whether values borrow from the frame.
    pub fn borrows(&self) -> bool {
        match self {
            Kind::String | Kind::Bytes => true,
            Kind::Struct(inner) => inner.borrows(),
            Kind::Boolean | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Uuid => {
                false
            }
        }
    }
}

impl Struct {
    /// Whether any field borrows from the frame, so that the struct has a lifetime.
    pub fn borrows(&self) -> bool {
        self.fields.iter().any(|field| field.kind.borrows())
    }

    /// The Rust type, with `lifetime` if it needs one.
    pub fn rust(&self, lifetime: &str) -> String {
        if self.borrows() { format!("{}<{lifetime}>", self.name) } else { self.name.clone() }
    }

    /// Tagged fields in the order of their numbers, as they must be written.
    pub fn tagged(&self) -> Vec<&Field> {
        let mut tagged: Vec<&Field> = self.fields.iter().filter(|f| f.tag.is_some()).collect();
        tagged.sort_by_key(|field| field.tag);
        tagged
    }

    /// Calls `visit` for every struct below and for this one, inner ones last.
    pub fn walk<'s>(&'s self, visit: &mut dyn FnMut(&'s Struct)) {
        visit(self);
        for field in &self.fields {
            if let Kind::Struct(inner) = &field.kind {
                inner.walk(visit);
            }
        }
    }
}

impl Field {
    /// The Rust type of one element, with `lifetime` if it needs one.
    pub fn element(&self, lifetime: &str) -> String {
        match &self.kind {
            Kind::Boolean => "bool".into(),
            Kind::Int8 => "i8".into(),
            Kind::Int16 => "i16".into(),
            Kind::Int32 => "i32".into(),
            Kind::Int64 => "i64".into(),
            Kind::Uuid => "Uuid".into(),
            Kind::String => format!("Cow<{lifetime}, str>"),
            Kind::Bytes => format!("Cow<{lifetime}, [u8]>"),
            Kind::Struct(inner) => inner.rust(lifetime),
        }
    }

    /// The Rust type of the field.
    pub fn rust(&self, lifetime: &str) -> String {
        let mut rust = self.element(lifetime);
        if self.is_array {
            rust = format!("Vec<{rust}>");
        }
        if self.nullable.is_some() {
            rust = format!("Option<{rust}>");
        }
        rust
    }

    /// The Rust expression of the default value.
    pub fn default_value(&self) -> String {
        if self.default.as_deref() == Some("null") {
            return "None".into();
        }
        let value = match (&self.kind, &self.default) {
            _ if self.is_array => "Vec::new()".into(),
            (Kind::Boolean, None) => "false".into(),
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, None) => "0".into(),
            (Kind::Uuid, _) => "Uuid::ZERO".into(),
            (Kind::String, _) => "Cow::Borrowed(\"\")".into(),
            (Kind::Bytes, _) => "Cow::Borrowed(&[])".into(),
            (Kind::Struct(inner), _) => format!("{}::default()", inner.name),
            (_, Some(text)) => text.clone(),
        };
        if self.nullable.is_some() { format!("Some({value})") } else { value }
    }
}
