# title: postgresql
# what: as the image's user postgres: initdb, start, tables, an index, a transaction, pg_dump, stop
# user: postgres
id -un
export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) PGDATA=/tmp/data LC_ALL=C
initdb -A trust > /tmp/initdb.log 2>&1; echo "$?"
pg_ctl -s -w -t 300 -o '-k /tmp -c fsync=off' -l /tmp/server.log start; echo "$?"
export PGHOST=/tmp
psql -q -X -A -t <<'E'
create table t (id serial primary key, name text, value double precision, at timestamptz default '2026-01-01 UTC');
insert into t (name, value) select 'name ' || i, sqrt(i) from generate_series(1, 5000) i;
create index on t (value);
begin; delete from t; rollback;
select count(*), sum(value), max(name) from t;
select name from t where value between 10 and 10.02 order by value;
select json_agg(x) from (select id, name from t limit 2) x;
with recursive f(a, b) as (values (0::numeric, 1::numeric) union all select b, a + b from f where b < 1e20) select max(a) from f;
select 1 / 0;
E
psql -X -h 127.0.0.1 -A -t -c 'select current_user, inet_server_port()' postgres
pg_dump -h /tmp postgres | grep -v -e '^\\' | sha256sum
pg_ctl -s -w -m fast stop; echo "$?"
grep -c 'database system is shut down' /tmp/server.log
