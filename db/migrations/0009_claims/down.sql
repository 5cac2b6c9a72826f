drop table claims;
drop function guard_claim();
drop function viewer_moderates();
drop function organisation_of_company(text);
drop index organisation_identifiers_company_number_key;
