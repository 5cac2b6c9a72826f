drop index organisations_spelling_cores_idx;
drop function spelling_cores(text, text[]);
drop function spelling_core(text);
