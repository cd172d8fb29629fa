"""What counts as a plain read in SQL: the allow-lists behind the type `sql`, as data.

Three lists, each closed: tree nodes, data types, and functions by the name *as written*, per dialect. sqlglot folds
the names of all dialects into one set of classes (`LCASE` is `Lower` everywhere), but in a given database an unknown
name may be anybody's stored function, so a call counts as pure only if its own name is on its own dialect's list.
Left out on purpose: whatever writes (`nextval`, `set_config`), waits (`pg_sleep`), reads files or other servers
(`pg_read_file`, `load_file`, `dblink`), runs text (`query_to_xml`), or makes much out of little (`repeat`,
`randomblob`).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

__all__ = ["DATA_TYPES", "DIALECTS", "PURE_FUNCTIONS", "READ_NODES", "WRITE_NODES"]

DIALECTS = ("bigquery", "mysql", "postgres", "snowflake", "sqlite", "tsql")

_QUERY = {
    *(exp.Select, exp.With, exp.CTE, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.Values, exp.Tuple),
    *(
        exp.From,
        exp.Where,
        exp.Join,
        exp.Group,
        exp.Having,
        exp.Order,
        exp.Ordered,
        exp.Limit,
        exp.Offset,
        exp.Fetch,
        exp.LimitOptions,
    ),
    *(
        exp.Distinct,
        exp.Star,
        exp.Column,
        exp.Identifier,
        exp.Table,
        exp.TableAlias,
        exp.Alias,
        exp.Lateral,
        exp.Unnest,
    ),
    *(exp.Rollup, exp.Cube, exp.GroupingSets, exp.Qualify, exp.TableFromRows),
    *(exp.Window, exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls),
}
_LITERALS = {
    *(exp.Literal, exp.Null, exp.Boolean, exp.HexString, exp.BitString, exp.ByteString, exp.Interval, exp.IntervalSpan),
    *(exp.Var, exp.DataType, exp.DataTypeParam, exp.Array, exp.Paren, exp.National, exp.Kwarg),
    *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
}
_OPERATORS = {
    *(
        exp.And,
        exp.Or,
        exp.Xor,
        exp.Not,
        exp.EQ,
        exp.NEQ,
        exp.GT,
        exp.GTE,
        exp.LT,
        exp.LTE,
        exp.Is,
        exp.In,
        exp.Between,
    ),
    *(exp.Like, exp.ILike, exp.SimilarTo, exp.RegexpLike, exp.RegexpILike, exp.Glob, exp.Match, exp.MatchAgainst),
    *(exp.Escape, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Any, exp.All, exp.Exists, exp.Case, exp.If),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe, exp.Bracket, exp.Slice),
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift),
    *(
        exp.Cast,
        exp.TryCast,
        exp.Convert,
        exp.SafeFunc,
        exp.AtTimeZone,
        exp.Collate,
        exp.JSONExtract,
        exp.JSONExtractScalar,
    ),
    *(exp.JSONBExtract, exp.JSONBExtractScalar, exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps),
}
_SYNTAX = {
    # Functions that the grammar spells out (`EXTRACT(year FROM d)`): their names are checked as words before a '('.
    *(
        exp.Extract,
        exp.Substring,
        exp.Trim,
        exp.StrPosition,
        exp.Overlay,
        exp.GroupConcat,
        exp.Ceil,
        exp.Floor,
        exp.Chr,
    ),
    *(exp.Initcap, exp.JSONObject, exp.JSONKeyValue, exp.JSONObjectAgg),
    *(exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentUser),
    # What sqlglot wraps arguments of date functions in.
    *(exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.DateStrToDate),
}

READ_NODES: frozenset[type[exp.Expr]] = frozenset(_QUERY | _LITERALS | _OPERATORS | _SYNTAX)
"""Nodes that a statement may have and still only read."""

WRITE_NODES: frozenset[type[exp.Expr]] = frozenset(
    {
        *(
            exp.Insert,
            exp.Update,
            exp.Delete,
            exp.Merge,
            exp.Whens,
            exp.When,
            exp.Schema,
            exp.OnConflict,
            exp.Returning,
        ),
        *(exp.Into, exp.Lock, exp.Drop, exp.TruncateTable, exp.Create, exp.PropertyEQ),
        *(
            exp.ColumnDef,
            exp.ColumnConstraint,
            exp.PrimaryKey,
            exp.PrimaryKeyColumnConstraint,
            exp.NotNullColumnConstraint,
        ),
        *(exp.UniqueColumnConstraint, exp.DefaultColumnConstraint, exp.Index, exp.IndexParameters),
        *(exp.Properties, exp.TemporaryProperty),
    }
)
"""Nodes that change data or tables and whose effect is known: each is counted through its verb."""

_T = exp.DType
DATA_TYPES: frozenset[exp.DType] = frozenset(
    {
        *(
            _T.BIGINT,
            _T.BINARY,
            _T.BIT,
            _T.BLOB,
            _T.BOOLEAN,
            _T.BPCHAR,
            _T.CHAR,
            _T.DATE,
            _T.DATETIME,
            _T.DECIMAL,
            _T.DOUBLE,
        ),
        *(_T.FLOAT, _T.INT, _T.INTERVAL, _T.JSON, _T.JSONB, _T.MEDIUMINT, _T.NCHAR, _T.NVARCHAR, _T.SMALLINT, _T.TEXT),
        *(_T.TIME, _T.TIMETZ, _T.TIMESTAMP, _T.TIMESTAMPLTZ, _T.TIMESTAMPTZ, _T.TINYINT, _T.UBIGINT, _T.UINT, _T.UUID),
        *(
            _T.VARBINARY,
            _T.VARCHAR,
            _T.YEAR,
            _T.ARRAY,
            _T.INET,
            _T.MONEY,
            _T.SMALLMONEY,
            _T.DATETIME2,
            _T.SMALLDATETIME,
        ),
        *(_T.VARIANT, _T.OBJECT, _T.TIMESTAMPNTZ, _T.BIGDECIMAL, _T.STRUCT),
    }
)
"""Types to cast to. A cast to any other may run a function that somebody wrote."""

_COMMON = """
    abs avg cast ceil coalesce concat count cume_dist dense_rank exp extract first_value floor greatest lag last_value
    lead least length ln log lower ltrim max min mod nth_value ntile nullif percent_rank position power rank replace
    round row_number rtrim sign sqrt substr substring sum trim upper
"""
_POSTGRES = """
    age any array_agg array_length array_position array_to_string bit_length bool_and bool_or btrim cardinality cbrt
    ceiling char char_length character_length chr concat_ws corr date_bin date_part date_trunc decode degrees encode
    every gcd generate_series generate_subscripts grouping initcap isfinite json_agg json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
    json_extract_path json_extract_path_text json_object_agg json_object_keys json_typeof jsonb_agg
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_object_agg jsonb_object_keys jsonb_typeof left
    log10 make_date make_interval make_timestamp md5 mode now numeric octet_length overlay percentile_cont
    percentile_disc pi quote_ident quote_literal radians regexp_count regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_substr reverse right row_to_json split_part starts_with stddev stddev_pop stddev_samp
    string_agg string_to_array strpos to_char to_date to_json to_jsonb to_number to_timestamp translate trunc unnest
    var_pop var_samp variance width_bucket
"""
_MYSQL = """
    adddate addtime any_value ascii bin bit_and bit_count bit_or bit_xor ceiling char char_length character_length
    coercibility concat_ws conv convert convert_tz crc32 curdate current_date current_time current_timestamp curtime
    date date_add date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear degrees elt field
    find_in_set format from_days from_unixtime group_concat hex hour if ifnull inet_aton inet_ntoa instr isnull
    json_array json_arrayagg json_contains json_contains_path json_depth json_extract json_keys json_length
    json_object json_objectagg json_overlaps json_search json_type json_unquote json_valid json_value last_day lcase
    left locate log10 log2 makedate maketime match md5 microsecond mid minute month monthname now octet_length oct ord
    period_add period_diff pi pow quarter quote radians regexp_instr regexp_like regexp_replace regexp_substr reverse
    right second sec_to_time sha1 sha2 soundex std stddev stddev_pop stddev_samp str_to_date strcmp subdate
    substring_index subtime sysdate time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_days
    truncate ucase unhex unix_timestamp utc_date utc_time utc_timestamp values var_pop var_samp variance week weekday
    weekofyear year yearweek
"""
_SQLITE = """
    bm25 char concat_ws date datetime glob group_concat hex highlight ifnull iif instr json json_array
    json_array_length json_each json_extract json_group_array json_group_object json_object json_quote json_tree
    json_type json_valid julianday like likely log10 log2 octet_length pi pow quote random snippet soundex
    sqlite_version strftime string_agg time timediff total trunc typeof unhex unicode unixepoch unlikely
"""

_TSQL = """
    acos ascii asin atan atn2 ceiling char charindex checksum_agg choose concat_ws convert cos cot count_big
    current_timestamp datalength dateadd datediff datediff_big datefromparts datename datepart datetime2fromparts
    datetimefromparts day degrees difference eomonth format getdate getutcdate grouping grouping_id
    hashbytes iif isdate isjson isnull isnumeric json_array json_modify json_object json_query json_value left len
    log10 month nchar openjson parse patindex percentile_cont percentile_disc pi quotename radians reverse right sin
    smalldatetimefromparts soundex square stdev stdevp str string_agg string_escape string_split stuff
    switchoffset sysdatetime sysdatetimeoffset sysutcdatetime tan timefromparts todatetimeoffset translate try_cast
    try_convert try_parse unicode var varp year
"""
_SNOWFLAKE = """
    add_months any_value approx_count_distinct array_agg array_append array_cat array_compact array_construct
    array_contains array_distinct array_intersection array_position array_size array_slice array_to_string ascii
    as_array as_boolean as_date as_integer as_object as_varchar base64_decode_string base64_encode bitand bitor bitxor
    booland_agg boolor_agg cbrt ceiling charindex chr collate concat_ws contains convert_timezone corr count_if
    covar_pop covar_samp current_date current_time current_timestamp date date_from_parts date_part date_trunc dateadd
    datediff day dayname dayofmonth dayofweek dayofyear decode degrees div0 div0null editdistance endswith equal_null
    factorial flatten get get_path getdate grouping grouping_id hash hash_agg hex_decode_string hex_encode hour iff
    ifnull ilike initcap is_array is_boolean is_date is_integer is_null_value is_object is_timestamp
    jarowinkler_similarity last_day left len like listagg md5 md5_hex median minute mode month monthname
    months_between next_day nvl nvl2 object_agg object_construct object_delete object_insert object_keys object_pick
    octet_length parse_json percentile_cont percentile_disc pi pow previous_day quarter radians ratio_to_report
    regexp_count regexp_instr regexp_like regexp_replace regexp_substr regr_slope reverse right rlike second sha1
    sha1_hex sha2 sha2_hex soundex split split_part split_to_table square startswith stddev stddev_pop stddev_samp
    strip_null_value strtok strtok_to_array sysdate time time_slice timeadd timediff timestamp_from_parts timestampadd
    timestampdiff to_array to_binary to_boolean to_char to_date to_decimal to_double to_json to_number to_numeric
    to_object to_time to_timestamp to_timestamp_ltz to_timestamp_ntz to_timestamp_tz to_varchar to_variant translate
    trunc truncate try_cast try_parse_json try_to_boolean try_to_date try_to_decimal try_to_double try_to_number
    try_to_time try_to_timestamp typeof unicode uuid_string var_pop var_samp variance week weekofyear width_bucket
    xmlget year yearofweek zeroifnull
"""
_BIGQUERY = """
    any_value approx_count_distinct approx_quantiles approx_top_count array array_agg array_concat array_concat_agg
    array_first array_last array_length array_reverse array_to_string ascii bit_and bit_count bit_or bit_xor bool
    byte_length ceiling char_length character_length chr code_points_to_string collate contains_substr corr countif
    covar_pop covar_samp current_date current_datetime current_time current_timestamp date date_add date_diff
    date_from_unix_date date_sub date_trunc datetime datetime_add datetime_diff datetime_sub datetime_trunc div
    ends_with farm_fingerprint float64 format format_date format_datetime format_time format_timestamp from_base32
    from_base64 from_hex generate_array generate_date_array generate_timestamp_array generate_uuid grouping if
    ieee_divide ifnull initcap instr int64 is_inf is_nan json_array json_extract json_extract_array json_extract_scalar
    json_keys json_object json_query json_query_array json_set json_type json_value json_value_array last_day lax_bool
    lax_int64 lax_string left log10 logical_and logical_or md5 normalize normalize_and_casefold octet_length offset
    ordinal parse_bignumeric parse_date parse_datetime parse_json parse_numeric parse_time parse_timestamp
    percentile_cont percentile_disc pow range_bucket regexp_contains regexp_extract regexp_extract_all regexp_instr
    regexp_replace regexp_substr reverse right safe_add safe_cast safe_convert_bytes_to_string safe_divide
    safe_multiply safe_negate safe_offset safe_ordinal safe_subtract sha1 sha256 sha512 soundex split starts_with
    stddev stddev_pop stddev_samp string string_agg strpos struct time time_add time_diff time_sub time_trunc timestamp
    timestamp_add timestamp_diff timestamp_micros timestamp_millis timestamp_seconds timestamp_sub timestamp_trunc
    to_base32 to_base64 to_code_points to_hex to_json to_json_string translate trunc unicode unix_date unix_micros
    unix_millis unix_seconds unnest var_pop var_samp variance
"""

PURE_FUNCTIONS: Mapping[str, frozenset[str]] = {
    "postgres": frozenset((_COMMON + _POSTGRES).split()),
    "mysql": frozenset((_COMMON + _MYSQL).split()),
    "sqlite": frozenset((_COMMON + _SQLITE).split()),
    "tsql": frozenset((_COMMON + _TSQL).split()),
    "snowflake": frozenset((_COMMON + _SNOWFLAKE).split()),
    "bigquery": frozenset((_COMMON + _BIGQUERY).split()),
}
"""Dialect → functions, in lower case as written, that compute from their arguments and change nothing."""
