//! What one config is: name, type, default, limit, when it may change, and what it falls back to.

/// The type of a config's value, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A finite number with fractions.
    Double,
    /// A text; spaces around it do not count.
    String,
    /// Texts separated by commas; spaces around each do not count.
    List,
}

impl Kind {
    /// The number in DescribeConfigs' `config_type`. Source: Kafka's `ConfigEntry.ConfigType`.
    pub const fn to_wire(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::String => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
        }
    }
}

/// What a value must keep to, besides its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Nothing.
    None,
    /// A number not below this.
    AtLeast(i64),
    /// A number from the first to the second, both allowed.
    Between(i64, i64),
    /// A number from the first to the second, or the third.
    BetweenOr(i64, i64, i64),
    /// A fraction from 0 to 1.
    Ratio,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of these texts, none of them twice.
    EachOf(&'static [&'static str]),
    /// A text or list that is not empty.
    NotEmpty,
}

/// Why a config of Kafka does nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// It would keep somebody out.
    Guard,
    /// It is about transactions.
    Transactions,
    /// It is about groups that are not served.
    Groups,
    /// It is about records elsewhere than on the broker's disk.
    TieredStorage,
    /// It is about controllers.
    Quorum,
    /// It is about several brokers.
    Replication,
    /// It is about quotas.
    Quotas,
    /// It is about threads, buffers and the like.
    Workings,
}

impl Area {
    /// The reason, as the end of a sentence.
    pub const fn reason(self) -> &'static str {
        match self {
            Area::Guard => "nothing would enforce it, and the broker would be more open than asked",
            Area::Transactions => "transactions are not served yet",
            Area::Groups => "only groups of the classic protocol are served yet",
            Area::TieredStorage => "there is no tiered storage",
            Area::Quorum => "a broker is its own controller",
            Area::Replication => "brokers do not replicate to each other yet",
            Area::Quotas => "there are no quotas yet",
            Area::Workings => "it tunes a part of Apache Kafka that is not here",
        }
    }
}

/// When a config may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// At any time, for the cluster or for one broker.
    Dynamic,
}

/// How the number of a synonym becomes that of the config that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Minutes to milliseconds; a negative number becomes -1.
    Minutes,
    /// Hours to milliseconds; a negative number becomes -1.
    Hours,
}

/// A broker config that gives the value where nothing stronger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The name of the broker config.
    pub name: &'static str,
    /// The unit that it counts in.
    pub unit: Unit,
}

/// One config.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Kafka's name.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The value where nobody sets one; `None` where the config may be absent.
    pub default: Option<&'static str>,
    /// What a value must keep to.
    pub limit: Limit,
    /// When it may be changed.
    pub update: Update,
    /// For a topic config, the broker configs that give its default; for a broker config, its
    /// own name and then those that stand in for it. Strongest first.
    pub synonyms: &'static [Synonym],
    /// Why it does nothing, if so: then only its default is taken.
    pub without_effect: Option<Area>,
    /// What it does, in one or two sentences.
    pub documentation: &'static str,
}

impl Definition {
    /// A config that may change at any time and has no limit.
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        documentation: &'static str,
    ) -> Definition {
        Definition {
            name,
            kind,
            default: Some(default),
            limit: Limit::None,
            update: Update::Dynamic,
            synonyms: &[],
            without_effect: None,
            documentation,
        }
    }

    /// A config that does nothing here, and may change at any time.
    pub(super) const fn unserved(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        area: Area,
    ) -> Definition {
        let documentation =
            "Has no effect in Millrace; known so that it can be set to Kafka's default.";
        let mut definition = Definition::new(name, kind, default, documentation);
        definition.without_effect = Some(area);
        definition
    }

    /// The same with a limit.
    pub(super) const fn limit(mut self, limit: Limit) -> Definition {
        self.limit = limit;
        self
    }

    /// The same with a smallest number.
    pub(super) const fn at_least(self, smallest: i64) -> Definition {
        self.limit(Limit::AtLeast(smallest))
    }

    /// The same, fixed at the start of the process.
    pub(super) const fn read_only(mut self) -> Definition {
        self.update = Update::ReadOnly;
        self
    }

    /// The same without a default.
    pub(super) const fn optional(mut self) -> Definition {
        self.default = None;
        self
    }

    /// The same with the configs that stand in for it.
    pub(super) const fn from(mut self, synonyms: &'static [Synonym]) -> Definition {
        self.synonyms = synonyms;
        self
    }
}

/// A synonym that counts in the same unit.
pub(super) const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}

/// A synonym that counts minutes where the config counts milliseconds.
pub(super) const fn minutes(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Minutes }
}

/// A synonym that counts hours where the config counts milliseconds.
pub(super) const fn hours(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Hours }
}

/// Defines the table of all rows, and each row with a name as a constant for typed access.
///
/// The compiler then says which config nothing reads: such a one would have no effect. Rows named
/// `_` are read as synonyms of topic configs only.
macro_rules! definitions {
    ($($($constant:ident)? $(_)? = $row:expr;)*) => {
        $($(pub(super) static $constant: crate::config::definition::Definition = $row;)?)*
        pub(super) static TABLE: &[crate::config::definition::Definition] = &[$($row),*];
    };
}
pub(super) use definitions;

/// The text, cut where it is too long to be repeated to whoever sent it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How much of a name or value is repeated in an error.
pub(super) const ECHO_CHARACTERS_MAX: usize = 200;
