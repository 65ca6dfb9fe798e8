# title: sqlite3
# what: a table of 1,000 rows, sums, an index, WAL, JSON, integrity
# image: tools
cd /tmp && sqlite3 test.db << 'S'
pragma journal_mode = wal;
create table numbers (id integer primary key, square integer, text text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
insert into numbers select i, i * i, printf('%04d', i) from n;
create index by_text on numbers (text);
select count(*), sum(square), max(text), avg(square) from numbers;
select id from numbers where text = '0777';
select json_extract('{"a": [1, 2.5, null]}', '$.a[1]');
pragma integrity_check;
select * from missing;
S
