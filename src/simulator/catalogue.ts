// SPDX-License-Identifier: Apache-2.0
/** The metrics that shims and guest agents serve, as of Kata Containers 4.1: names, items and kinds. */

export const PROC_STATUS_ITEMS: readonly string[] =
  "hugetlbpages nonvoluntary_ctxt_switches rssanon rssfile rssshmem vmdata vmexe vmhwm vmlck vmlib vmpeak vmpin vmpte vmrss vmsize vmstk vmswap voluntary_ctxt_switches".split(
    " ",
  );
export const PROC_STATUS_ITEMS_GO: readonly string[] = [...PROC_STATUS_ITEMS, "vmpmd"].sort();
export const PROC_STAT_ITEMS: readonly string[] = ["cstime", "cutime", "stime", "utime"];
/** The Go shim writes its item names without underscores. The guest agent and runtime-rs write them with underscores. */
export const IO_ITEMS_GO: readonly string[] =
  "cancelledwritebytes rchar readbytes syscr syscw wchar writebytes".split(" ");
export const IO_ITEMS_RS: readonly string[] =
  "cancelled_write_bytes rchar read_bytes syscr syscw wchar write_bytes".split(" ");
export const NETDEV_ITEMS: readonly string[] =
  "recv_bytes recv_compressed recv_drop recv_errs recv_fifo recv_frame recv_multicast recv_packets sent_bytes sent_carrier sent_colls sent_compressed sent_drop sent_errs sent_fifo sent_packets".split(
    " ",
  );
export const DISK_ITEMS: readonly string[] =
  "discards discards_merged flushes in_progress merged reads sectors_discarded sectors_read sectors_written time_discarding time_flushing time_in_progress time_reading time_writing weighted_time_in_progress writes writes_merged".split(
    " ",
  );
export const CPU_ITEMS: readonly string[] =
  "guest guest_nice idle iowait irq nice softirq steal system user".split(" ");
export const MEMINFO_ITEMS: readonly string[] =
  "active active_anon active_file anon_hugepages anon_pages bounce buffers cached cma_free cma_total commit_limit committed_as direct_map_1G direct_map_2M direct_map_4M direct_map_4k dirty hardware_corrupted high_free high_total hugepages_free hugepages_rsvd hugepages_surp hugepages_total hugepagesize hugetlb inactive inactive_anon inactive_file k_reclaimable kernel_stack low_free low_total mapped mem_available mem_free mem_total mlocked mmap_copy nfs_unstable page_tables per_cpu quicklists s_reclaimable s_unreclaim shmem shmem_hugepages shmem_pmd_mapped slab swap_cached swap_free swap_total unevictable vmalloc_chunk vmalloc_total vmalloc_used writeback writeback_tmp".split(
    " ",
  );
export const GO_MEMSTATS: readonly string[] =
  "alloc_bytes alloc_bytes_total buck_hash_sys_bytes frees_total gc_sys_bytes heap_alloc_bytes heap_idle_bytes heap_inuse_bytes heap_objects heap_released_bytes heap_sys_bytes last_gc_time_seconds mallocs_total mcache_inuse_bytes mcache_sys_bytes mspan_inuse_bytes mspan_sys_bytes next_gc_bytes other_sys_bytes stack_inuse_bytes stack_sys_bytes sys_bytes".split(
    " ",
  );
export const RPC_ACTIONS: readonly string[] = ["create", "pids", "start", "state", "stats", "wait"];
export const AGENT_RPC_ACTIONS: readonly string[] =
  "AddARPNeighbors Check CreateContainer CreateSandbox GetMetrics GetOOMEvent OnlineCPUMem StartContainer StatsContainer UpdateInterface UpdateRoutes WaitProcess"
    .split(" ")
    .map((action) => `grpc.${action}Request`);

const ZONES = ["dma", "dma32", "movable", "normal"];
/** The items of a guest's /proc/vmstat on a 6.x kernel. Other kernels have others. */
export const VMSTAT_ITEMS: readonly string[] = [
  ..."allocstall balloon_deflate balloon_inflate compact_daemon_free_scanned compact_daemon_migrate_scanned compact_daemon_wake compact_fail compact_free_scanned compact_isolated compact_migrate_scanned compact_stall compact_success cow_ksm direct_map_level2_splits direct_map_level3_splits drop_pagecache drop_slab htlb_buddy_alloc_fail htlb_buddy_alloc_success kswapd_high_wmark_hit_quickly kswapd_inodesteal kswapd_low_wmark_hit_quickly ksm_swpin_copy numa_foreign numa_hit numa_hint_faults numa_hint_faults_local numa_huge_pte_updates numa_interleave numa_local numa_miss numa_other numa_pages_migrated numa_pte_updates oom_kill pageoutrun".split(
    " ",
  ),
  ..."nr_active_anon nr_active_file nr_anon_pages nr_anon_transparent_hugepages nr_balloon_pages nr_bounce nr_hugetlb nr_iommu_pages nr_memmap_boot_pages nr_memmap_pages nr_dirtied nr_dirty nr_dirty_background_threshold nr_dirty_threshold nr_file_hugepages nr_file_pages nr_file_pmdmapped nr_foll_pin_acquired nr_foll_pin_released nr_free_cma nr_free_pages nr_inactive_anon nr_inactive_file nr_isolated_anon nr_isolated_file nr_kernel_misc_reclaimable nr_kernel_stack nr_mapped nr_mlock nr_page_table_pages nr_sec_page_table_pages nr_shadow_call_stack nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_slab_reclaimable nr_slab_unreclaimable nr_swapcached nr_throttled_written nr_unaccepted nr_unevictable nr_unstable nr_vmscan_immediate_reclaim nr_vmscan_write nr_writeback nr_writeback_temp nr_written nr_zone_active_anon nr_zone_active_file nr_zone_inactive_anon nr_zone_inactive_file nr_zone_unevictable nr_zone_write_pending nr_zspages".split(
    " ",
  ),
  ..."pgactivate pgdeactivate pgdemote_direct pgdemote_khugepaged pgdemote_kswapd pgfault pgfree pginodesteal pglazyfree pglazyfreed pgmajfault pgmigrate_fail pgmigrate_success pgpgin pgpgout pgpromote_candidate pgpromote_success pgrefill pgreuse pgrotated pgscan_anon pgscan_direct pgscan_direct_throttle pgscan_file pgscan_khugepaged pgscan_kswapd pgscan_proactive pgskip_device pgsteal_anon pgsteal_direct pgsteal_file pgsteal_khugepaged pgsteal_kswapd pgsteal_proactive pswpin pswpout".split(
    " ",
  ),
  ...["pgalloc", "pgskip", "allocstall"].flatMap((item) => ZONES.map((zone) => `${item}_${zone}`)),
  ..."slabs_scanned swap_ra swap_ra_hit swpin_zero swpout_zero thp_collapse_alloc thp_collapse_alloc_failed thp_deferred_split_page thp_fault_alloc thp_fault_fallback thp_fault_fallback_charge thp_file_alloc thp_file_fallback thp_file_fallback_charge thp_file_mapped thp_migration_fail thp_migration_split thp_migration_success thp_scan_exceed_none_pte thp_scan_exceed_share_pte thp_scan_exceed_swap_pte thp_split_page thp_split_page_failed thp_split_pmd thp_split_pud thp_swpout thp_swpout_fallback thp_underused_split_page thp_zero_page_alloc thp_zero_page_alloc_failed unevictable_pgs_cleared unevictable_pgs_culled unevictable_pgs_mlocked unevictable_pgs_munlocked unevictable_pgs_rescued unevictable_pgs_scanned unevictable_pgs_stranded vma_lock_abort vma_lock_miss vma_lock_retry vma_lock_success workingset_activate_anon workingset_activate_file workingset_nodereclaim workingset_nodes workingset_refault_anon workingset_refault_file workingset_restore_anon workingset_restore_file zone_reclaim_failed zone_reclaim_success zswpin zswpout zswpwb".split(
    " ",
  ),
].sort();
