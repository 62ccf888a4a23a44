"""The settings: config.toml read once into frozen values, all problems reported together.

`values` says what there is, `reading` turns the file into it, `declared` brings the [[...]] tables into the database.
"""

from digest.config.values import (
    Config,
    DatabaseConfig,
    DkimConfig,
    EditionConfig,
    GatherConfig,
    ListConfig,
    MailConfig,
    PaceConfig,
    RankingConfig,
    RelayConfig,
    RetentionConfig,
    SectionConfig,
    SectionMatch,
    SiteConfig,
    SourceConfig,
    StaffConfig,
    WarmUpConfig,
    WebConfig,
)

__all__ = [
    "Config",
    "DatabaseConfig",
    "DkimConfig",
    "EditionConfig",
    "GatherConfig",
    "ListConfig",
    "MailConfig",
    "PaceConfig",
    "RankingConfig",
    "RelayConfig",
    "RetentionConfig",
    "SectionConfig",
    "SectionMatch",
    "SiteConfig",
    "SourceConfig",
    "StaffConfig",
    "WarmUpConfig",
    "WebConfig",
]
