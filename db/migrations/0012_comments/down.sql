drop function comment_decision(uuid);
drop table comment_decisions;
drop function keep_comment_decision();
drop trigger comments_settle_flags on comments;
drop function settle_comment_flags();
drop function leading_flag_reason(uuid);
drop function live_flag_count(uuid);
drop table comment_flags;
drop function check_comment_flag();
drop trigger comments_keep_version on comments;
drop trigger comments_keep_first_version on comments;
drop function keep_comment_version();
drop table comment_versions;
drop trigger comments_check on comments;
drop function check_comment();
drop trigger comments_raise_version on comments;
drop index comments_queued_at_idx, comments_organisation_id_idx, comments_author_id_idx, comments_parent_id_idx;
alter table comments drop constraint comments_queue, drop constraint comments_parent_in_product;
alter table comments
  drop column version, drop column created_at, drop column updated_at, drop column parent_id, drop column path,
  drop column author_id, drop column organisation_id, drop column author_kind, drop column body_markdown,
  drop column body_html, drop column renderer, drop column edited_at, drop column queued_at,
  drop constraint comments_place_key;
create index comments_product_id_visible_idx on comments (product_id) where status = 'visible';
create index comments_product_id_idx on comments (product_id);
comment on table comments is 'What people say of a product.';
