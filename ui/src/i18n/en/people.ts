export const people = {
  title: "Users and groups",
};
