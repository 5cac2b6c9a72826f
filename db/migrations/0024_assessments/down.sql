drop policy benchmark_members_of_nobody on benchmark_members;
drop policy evidence_chunks_of_viewer on evidence_chunks;
drop policy evidence_revisions_of_viewer on evidence_revisions;
drop policy evidence_of_viewer on evidence;
drop policy assessment_comments_of_viewer on assessment_comments;
drop policy actions_of_viewer on actions;
drop policy assessment_evidence_of_viewer on assessment_evidence;
drop policy assessment_response_versions_of_viewer on assessment_response_versions;
drop policy assessment_responses_of_viewer on assessment_responses;
drop policy assessment_assurers_of_viewer on assessment_assurers;
drop policy assessments_of_viewer on assessments;
drop function supersede_assessment(uuid), assessment_progress(uuid), assessment_successor(uuid), person_ref(uuid), assurer_list(uuid), assured_assessments();
drop table benchmark_runs, benchmarks, benchmark_members, assessment_comments, actions, assessment_evidence, evidence_chunks, evidence_revisions, evidence,
  assessment_response_versions, assessment_responses, assessment_assurers, assessments;
drop function check_assessment(), check_assessment_parts(), check_assessment_response(), check_response_version(), check_assessment_comment(), check_evidence_revision(),
  keep_assessment_response();
