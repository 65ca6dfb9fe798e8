# title: sqlite3
# what: tables, indexes, transactions, WAL, JSON, full text, windows, a dump read back, integrity
cd /tmp
sqlite3 test.db <<'E'
pragma journal_mode = wal;
create table t (id integer primary key, name text, value real);
create index by_name on t (name);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into t select i, printf('name %05d', (i * 7919) % 20000), sqrt(i) from n;
begin; delete from t where id % 3 = 0; rollback;
begin; update t set value = -value where id % 5 = 0; commit;
select count(*), sum(value), min(name), max(name) from t;
select name, value, rank() over (order by value) from t limit 3;
select json_extract('{"a": [1, {"b": 2}]}', '$.a[1].b');
create virtual table f using fts5(body);
insert into f values ('the quick brown fox'), ('lazy dog'), ('a brown dog');
select body from f where f match 'brown' order by rank;
pragma integrity_check;
E
sqlite3 test.db .dump > dump.sql && sqlite3 copy.db < dump.sql
sqlite3 copy.db 'select count(*), sum(value) from t'
sha256sum < dump.sql
sqlite3 copy.db 'select nothing from t'; echo "$?"
(sqlite3 test.db 'begin immediate; select 1;' '.shell sleep 1' 'commit;') &
sleep 0.4; sqlite3 -cmd '.timeout 20000' test.db 'insert into f values (1); select count(*) from f;'; wait
