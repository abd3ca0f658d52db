{{/* What the operator may do where it looks after Clusters and Topics. */}}
{{- define "millrace.rules" -}}
- apiGroups: [millrace.io]
  resources: [clusters, topics]
  verbs: [get, list, watch]
- apiGroups: [millrace.io]
  resources: [clusters/status, topics/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, create, patch]
# Services go with their listeners, configs with the last broker that reads them.
- apiGroups: [""]
  resources: [configmaps, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
# A broker is restarted by deleting its pod, after a pod of the operator's has tried the new template.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
# Volumes are told apart, grown, and given an owner by policy. The operator cannot delete one.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch]
# What is done is told, and why a pod does not start is read.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list, create]
{{- end -}}
