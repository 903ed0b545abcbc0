//! The YAML keys of connections, rules and unit settings, in the order in which they are printed.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    size::Bytes,
    subtask::*,
    yaml::{Decoder, Kind, Node, Via, Yaml, YamlValue, yaml_struct},
};

impl YamlValue for DbConfig {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        let mut out = DbConfig::default();
        d.mapping(node, "config.DBConfig", |d, key, value| match key {
            "host" => d.assign(value, &mut out.host),
            "port" => d.assign(value, &mut out.port),
            "user" => d.assign(value, &mut out.user),
            "password" => d.assign(value, &mut out.password),
            "max-allowed-packet" => d.assign(value, &mut out.max_allowed_packet),
            "session" => d.assign(value, &mut out.session),
            "security" => d.assign(value, &mut out.security),
            "read-timeout" => d.assign(value, &mut out.read_timeout),
            _ => false,
        });
        Some(out)
    }

    /// The key of ours only where it is used, so that DM can read what doesn't need it.
    fn encode(&self) -> Yaml {
        let mut pairs = vec![
            ("host".to_owned(), self.host.encode()),
            ("port".to_owned(), self.port.encode()),
            ("user".to_owned(), self.user.encode()),
            ("password".to_owned(), self.password.encode()),
            ("max-allowed-packet".to_owned(), self.max_allowed_packet.encode()),
            ("session".to_owned(), self.session.encode()),
            ("security".to_owned(), self.security.encode()),
        ];
        if let Some(limit) = self.read_timeout {
            pairs.push(("read-timeout".to_owned(), limit.encode()));
        }
        Yaml::Map(pairs)
    }
}

yaml_struct!(Meta, "config.Meta", {
    "binlog-name" => binlog_name,
    "binlog-pos" => binlog_pos,
    "binlog-gtid" => binlog_gtid,
});

yaml_struct!(TableName, "filter.Table", {
    "db-name" => db_name,
    "tbl-name" => tbl_name,
});

yaml_struct!(BlockAllowList, "filter.Rules", {
    "do-tables" => do_tables,
    "do-dbs" => do_dbs,
    "ignore-tables" => ignore_tables,
    "ignore-dbs" => ignore_dbs,
});

yaml_struct!(FilterRule, "filter.BinlogEventRule", {
    "schema-pattern" => schema_pattern,
    "table-pattern" => table_pattern,
    "events" => events,
    "sql-pattern" => sql_pattern,
    "action" => action,
});

yaml_struct!(ExpressionFilter, "config.ExpressionFilter", {
    "schema" => schema,
    "table" => table,
    "insert-value-expr" => insert_value_expr,
    "update-old-value-expr" => update_old_value_expr,
    "update-new-value-expr" => update_new_value_expr,
    "delete-value-expr" => delete_value_expr,
});

yaml_struct!(MydumperConfig, "config.MydumperConfig", {
    "mydumper-path" => mydumper_path,
    "threads" => threads,
    "chunk-filesize" => chunk_filesize,
    "statement-size" => statement_size,
    "rows" => rows,
    "where" => r#where,
    "skip-tz-utc" => skip_tz_utc,
    "extra-args" => extra_args,
});

yaml_struct!(LoaderConfig, "config.LoaderConfig", {
    "pool-size" => pool_size,
    "dir" => dir,
    "sorting-dir-physical" => sorting_dir_physical,
    "import-mode" => import_mode,
    "on-duplicate" => on_duplicate,
    "on-duplicate-logical" => on_duplicate_logical,
    "on-duplicate-physical" => on_duplicate_physical,
    "disk-quota-physical" => disk_quota_physical via Bytes,
    "checksum-physical" => checksum_physical,
    "analyze" => analyze,
    "range-concurrency" => range_concurrency,
    "compress-kv-pairs" => compress_kv_pairs,
    "pd-addr" => pd_addr,
}, ours {
    "indexes-after-rows" => indexes_after_rows via Bytes,
});

// `multipleRows` is how the original's export spells the key.
yaml_struct!(SyncerConfig, "config.SyncerConfig", {
    "meta-file" => meta_file,
    "worker-count" => worker_count via Unsaid<{ SyncerConfig::WORKER_COUNT }>,
    "batch" => batch via Unsaid<{ SyncerConfig::BATCH }>,
    "queue-size" => queue_size,
    "checkpoint-flush-interval" => checkpoint_flush_interval,
    "compact" => compact,
    "multiple-rows" | "multipleRows" => multiple_rows,
    "max-retry" => max_retry,
    "auto-fix-gtid" => auto_fix_gtid,
    "enable-gtid" => enable_gtid,
    "disable-detect" => disable_detect,
    "safe-mode" => safe_mode,
    "safe-mode-duration" => safe_mode_duration,
    "enable-ansi-quotes" => enable_ansi_quotes,
}, ours {
    "memory-limit" => memory_limit via Bytes,
});

yaml_struct!(ValidatorConfig, "config.ValidatorConfig", {
    "mode" => mode,
    "worker-count" => worker_count,
    "validate-interval" => validate_interval via DurationText,
    "check-interval" => check_interval via DurationText,
    "row-error-delay" => row_error_delay via DurationText,
    "meta-flush-interval" => meta_flush_interval via DurationText,
    "batch-query-size" => batch_query_size,
    "max-pending-row-size" => max_pending_row_size,
    "max-pending-row-count" => max_pending_row_count,
});

/// A number of which 0 means that none was written; it is printed as what DM takes then.
struct Unsaid<const SHOWN: usize>;

impl<const SHOWN: usize> Via<usize> for Unsaid<SHOWN> {
    fn decode(node: &Node, d: &mut Decoder) -> Option<usize> {
        usize::decode(node, d)
    }

    fn encode(value: &usize) -> Yaml {
        if *value == 0 { SHOWN.encode() } else { value.encode() }
    }
}

/// A duration that is checked when read and kept as normal text (`5m0s`).
struct DurationText;

impl Via<String> for DurationText {
    fn decode(node: &Node, d: &mut Decoder) -> Option<String> {
        if node.text() == Some("") {
            return Some(String::new());
        }
        super::duration::GoDuration::decode(node, d).map(|duration| duration.to_string())
    }

    fn encode(value: &String) -> Yaml {
        value.encode()
    }
}

yaml_struct!(RouteRule, "router.TableRule", {
    "schema-pattern" => schema_pattern,
    "table-pattern" => table_pattern,
    "target-schema" => target_schema,
    "target-table" => target_table,
    "extract-table" => extract_table via TableExtractor,
    "extract-schema" => extract_schema via SchemaExtractor,
    "extract-source" => extract_source via SourceExtractor,
});

macro_rules! extractor {
    ($name:ident, $go:literal, $key:literal) => {
        struct $name;

        impl Via<Option<Extract>> for $name {
            fn decode(node: &Node, d: &mut Decoder) -> Option<Option<Extract>> {
                let mut out = Extract::default();
                d.mapping(node, $go, |d, key, value| match key {
                    "target-column" => d.assign(value, &mut out.target_column),
                    $key => d.assign(value, &mut out.regexp),
                    _ => false,
                });
                Some(Some(out))
            }

            fn encode(value: &Option<Extract>) -> Yaml {
                let Some(extract) = value else { return Yaml::Null };
                Yaml::Map(vec![
                    ($key.to_owned(), extract.regexp.encode()),
                    ("target-column".to_owned(), extract.target_column.encode()),
                ])
            }
        }
    };
}
extractor!(TableExtractor, "router.TableExtractor", "table-regexp");
extractor!(SchemaExtractor, "router.SchemaExtractor", "schema-regexp");
extractor!(SourceExtractor, "router.SourceExtractor", "source-regexp");

impl YamlValue for Security {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        let mut out = Security::default();
        d.mapping(node, "security.Security", |d, key, value| match key {
            "ssl-ca" => d.assign(value, &mut out.ssl_ca),
            "ssl-cert" => d.assign(value, &mut out.ssl_cert),
            "ssl-key" => d.assign(value, &mut out.ssl_key),
            "cert-allowed-cn" => d.assign(value, &mut out.cert_allowed_cn),
            "ssl-ca-bytes" => d.assign_via::<_, ByteList>(value, &mut out.ssl_ca_bytes),
            "ssl-cert-bytes" => d.assign_via::<_, ByteList>(value, &mut out.ssl_cert_bytes),
            "ssl-key-bytes" => d.assign_via::<_, ByteList>(value, &mut out.ssl_key_bytes),
            "ssl-ca-base64" => d.assign_via::<_, Base64>(value, &mut out.ssl_ca_bytes),
            "ssl-cert-base64" => d.assign_via::<_, Base64>(value, &mut out.ssl_cert_bytes),
            "ssl-key-base64" => d.assign_via::<_, Base64>(value, &mut out.ssl_key_bytes),
            _ => false,
        });
        Some(out)
    }

    /// Inline certificates are printed in base64.
    fn encode(&self) -> Yaml {
        Yaml::Map(vec![
            ("ssl-ca".to_owned(), self.ssl_ca.encode()),
            ("ssl-cert".to_owned(), self.ssl_cert.encode()),
            ("ssl-key".to_owned(), self.ssl_key.encode()),
            ("cert-allowed-cn".to_owned(), self.cert_allowed_cn.encode()),
            ("ssl-ca-base64".to_owned(), Base64::encode(&self.ssl_ca_bytes)),
            ("ssl-key-base64".to_owned(), Base64::encode(&self.ssl_key_bytes)),
            ("ssl-cert-base64".to_owned(), Base64::encode(&self.ssl_cert_bytes)),
        ])
    }
}

struct ByteList;

impl Via<Vec<u8>> for ByteList {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Vec<u8>> {
        match &node.kind {
            Kind::Sequence(_) => Vec::<u8>::decode(node, d),
            _ => {
                d.mismatch(node, "[]uint8", "a list of bytes");
                None
            }
        }
    }

    fn encode(value: &Vec<u8>) -> Yaml {
        value.encode()
    }
}

struct Base64;

impl Via<Vec<u8>> for Base64 {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Vec<u8>> {
        let bytes = node.text().and_then(|text| STANDARD.decode(text.split_whitespace().collect::<String>()).ok());
        if bytes.is_none() {
            // The text may be a key, so it is not shown.
            d.error(node.line, "cannot unmarshal !!str into []uint8 (allowed: base64 text)");
        }
        bytes
    }

    fn encode(value: &Vec<u8>) -> Yaml {
        Yaml::Text(STANDARD.encode(value))
    }
}
