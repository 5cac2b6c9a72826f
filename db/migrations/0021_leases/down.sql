drop function lease_departures(), lease_facts();
drop policy leases_of_viewer on leases;
drop policy lease_parties_of_viewer on lease_parties;
drop policy lease_premises_of_viewer on lease_premises;
drop policy lease_deviations_of_viewer on lease_deviations;
drop policy lease_documents_of_viewer on lease_documents;
drop policy lease_document_chunks_of_viewer on lease_document_chunks;
drop policy lease_agreements_of_viewer on lease_agreements;
drop function lease_successor(uuid), later_lease_version(uuid), lease_document_list(uuid), lease_party_list(uuid),
  shared_leases(), viewer_organisations(), viewer_administers();
drop table lease_agreements, lease_document_chunks, lease_documents, lease_deviations, lease_premises, lease_parties, leases;
drop function check_lease(), check_lease_agreement(), check_lease_deviation(), check_lease_parts(), count_lease_premises();
