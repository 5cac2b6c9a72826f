drop table import_results;
drop table import_chunks;
drop table imports;
delete from source_records where char_length(source) > 80;
alter table source_records drop constraint source_records_source_length,
  add constraint source_records_source_length check (char_length(source) between 1 and 80);
comment on column source_records.source is 'Name of the data set.';
